"""Languages that a mailbox can be set to: culture names, and names in English."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

# One locale = name a line.
_TABLE: Final = """
af-ZA = Afrikaans (South Africa)
ar-SA = Arabic (Saudi Arabia)
bg-BG = Bulgarian (Bulgaria)
ca-ES = Catalan (Spain)
cs-CZ = Czech (Czechia)
da-DK = Danish (Denmark)
de-AT = German (Austria)
de-CH = German (Switzerland)
de-DE = German (Germany)
el-GR = Greek (Greece)
en-AU = English (Australia)
en-CA = English (Canada)
en-GB = English (United Kingdom)
en-IE = English (Ireland)
en-IN = English (India)
en-NZ = English (New Zealand)
en-US = English (United States)
en-ZA = English (South Africa)
es-ES = Spanish (Spain)
es-MX = Spanish (Mexico)
et-EE = Estonian (Estonia)
eu-ES = Basque (Spain)
fa-IR = Persian (Iran)
fi-FI = Finnish (Finland)
fil-PH = Filipino (Philippines)
fr-BE = French (Belgium)
fr-CA = French (Canada)
fr-CH = French (Switzerland)
fr-FR = French (France)
gl-ES = Galician (Spain)
he-IL = Hebrew (Israel)
hi-IN = Hindi (India)
hr-HR = Croatian (Croatia)
hu-HU = Hungarian (Hungary)
id-ID = Indonesian (Indonesia)
is-IS = Icelandic (Iceland)
it-CH = Italian (Switzerland)
it-IT = Italian (Italy)
ja-JP = Japanese (Japan)
kk-KZ = Kazakh (Kazakhstan)
ko-KR = Korean (Korea)
lt-LT = Lithuanian (Lithuania)
lv-LV = Latvian (Latvia)
ms-MY = Malay (Malaysia)
nb-NO = Norwegian Bokmål (Norway)
nl-BE = Dutch (Belgium)
nl-NL = Dutch (Netherlands)
nn-NO = Norwegian Nynorsk (Norway)
pl-PL = Polish (Poland)
pt-BR = Portuguese (Brazil)
pt-PT = Portuguese (Portugal)
ro-RO = Romanian (Romania)
ru-RU = Russian (Russia)
sk-SK = Slovak (Slovakia)
sl-SI = Slovenian (Slovenia)
sr-Cyrl-RS = Serbian (Cyrillic, Serbia)
sr-Latn-RS = Serbian (Latin, Serbia)
sv-FI = Swedish (Finland)
sv-SE = Swedish (Sweden)
th-TH = Thai (Thailand)
tr-TR = Turkish (Türkiye)
uk-UA = Ukrainian (Ukraine)
ur-PK = Urdu (Pakistan)
vi-VN = Vietnamese (Vietnam)
zh-CN = Chinese (Simplified, China)
zh-HK = Chinese (Traditional, Hong Kong SAR)
zh-TW = Chinese (Traditional, Taiwan)
"""

LANGUAGES: Final = MappingProxyType(dict(line.split(" = ") for line in _TABLE.strip().splitlines()))
_BY_LOWER: Final = MappingProxyType({locale.lower(): locale for locale in LANGUAGES})


def language_named(locale: str) -> str | None:
    """The locale as the table spells it; None when it is not in there."""
    return _BY_LOWER.get(locale.lower())


def locale_info(locale: str) -> dict[str, str]:
    """A `localeInfo`."""
    return {"locale": locale, "displayName": LANGUAGES[locale]}
