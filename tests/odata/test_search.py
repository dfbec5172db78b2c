"""`$search` texts as trees, and what is wrong with those that are none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpost.odata.errors import ODataError
from graphpost.odata.restrictions import DEFAULT_FIELDS, FIELDS
from graphpost.odata.search import MAX_DEPTH, MAX_LENGTH, MAX_TERMS, MAX_WORDS, parse_search
from graphpost.odata.sought import AllOf, AnyOf, Is, Phrase, Range, Sought, Without
from graphpost.odata.words import words

NOW = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z, a Monday
DAY = 86_400_000_000


def text(*found: str, **more: bool) -> Phrase:
    return Phrase(DEFAULT_FIELDS, found, **more)


def of(field: str, *found: str, **more: bool) -> Phrase:
    return Phrase((field,), found, **more)


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ('"pizza"', text("pizza")),
        ("pizza", text("pizza")),
        ('"Größe"', text("grosse")),
        ('"two words"', AllOf((text("two"), text("words")))),
        ('"a AND b c"', AllOf((text("a"), text("b"), text("c")))),
        ('"a and b"', AllOf((text("a"), text("and"), text("b")))),
        ('"a OR b c"', AnyOf((text("a"), AllOf((text("b"), text("c")))))),
        ('"a NOT b"', AllOf((text("a"), Without(text("b"))))),
        ('"-a +b"', AllOf((Without(text("a")), text("b")))),
        ('"--a"', Without(Without(text("a")))),
        ('"well-known"', text("well", "known")),
        ('"(a OR b) AND NOT (c d)"', None),
        ('"ORDER NOTE ANDY"', AllOf((text("order"), text("note"), text("andy")))),
        ('"lun*"', text("lun", is_prefix=True)),
        (r'"\"two words\""', text("two", "words")),
        (r'"\"two words\"*"', text("two", "words", is_prefix=True)),
        ('""two words" x"', AllOf((text("two", "words"), text("x")))),
        ('"a" AND "b c"', AllOf((text("a"), AllOf((text("b"), text("c")))))),
        ('"a" OR b', AnyOf((text("a"), text("b")))),
        ("(a OR b) NOT c", AllOf((AnyOf((text("a"), text("b"))), Without(text("c"))))),
        ('"subject:lunch"', of("subject", "lunch")),
        ("\"'subject:lunch'\"", of("subject", "lunch")),
        ('"SUBJECT: lunch"', of("subject", "lunch")),
        ('"subject:"two words" x"', AllOf((of("subject", "two", "words"), text("x")))),
        ('"subject=lunch"', of("subject", "lunch", is_whole=True)),
        ('"subject<>lunch"', Without(of("subject", "lunch", is_whole=True))),
        ('"subject:(a OR b)"', AnyOf((of("subject", "a"), of("subject", "b")))),
        ('"from:adele@contoso.test"', of("from", "adele", "contoso", "test")),
        ('"to:a* cc:b bcc:c"', AllOf((of("to", "a", is_prefix=True), of("cc", "b"), of("bcc", "c")))),
        ('"attachment:api-catalog.md"', of("attachment", "api", "catalog", "md")),
        ('"body:x"', of("body", "x")),
        ('"participants:x"', Phrase(("from", "to", "cc", "bcc"), ("x",))),
        ('"recipients:x"', Phrase(("to", "cc", "bcc"), ("x",))),
        ('"re: lunch http://x.test/y"', AllOf((text("re"), text("lunch"), text("http", "x", "test", "y")))),
        ('"hasAttachments:true"', Is("hasattachments", "true")),
        ('"hasattachment=no"', Is("hasattachments", "false")),
        ('"importance:medium"', Is("importance", "normal")),
        ('"importance<>high"', Without(Is("importance", "high"))),
        ('"kind:voicemail"', Is("kind", "voicemail")),
        ('"size:1..500000"', Range("size", 1, 500_001)),
        ('"size>2KB"', Range("size", 2049, None)),
        ('"size:>=10"', Range("size", 10, None)),
        ('"size = 5"', Range("size", 5, 6)),
        ('"received:2026-01-31"', Range("received", 1769817600_000_000, 1769904000_000_000)),
        ('"received:01/31/2026"', Range("received", 1769817600_000_000, 1769904000_000_000)),
        ('"received:2026-01-01..2026-01-31"', Range("received", 1767225600_000_000, 1769904000_000_000)),
        ('"received:2026-01"', Range("received", 1767225600_000_000, 1769904000_000_000)),
        ('"received>2026"', Range("received", 1798761600_000_000, None)),
        ('"received<=2026-01-31"', Range("received", None, 1769904000_000_000)),
        ('"sent>=2026-01-31T10:30:00Z"', Range("sent", 1769855400_000_000, None)),
        ('"sent:2026-01-31T10:30"', Range("sent", 1769855400_000_000, 1769855460_000_000)),
        ('"received:today"', Range("received", NOW - NOW % DAY, NOW - NOW % DAY + DAY)),
        ('"received:yesterday"', Range("received", NOW - NOW % DAY - DAY, NOW - NOW % DAY)),
        ('"received:this week x"', None),
        ('"received<today - lunch"', None),
    ],
)  # fmt: skip
def test_a_search_is_a_tree(query: str, tree: Sought | None) -> None:
    found = parse_search(query, NOW)
    assert tree is None or found == tree


@pytest.mark.parametrize(
    ("word", "begin", "end"),
    [
        ("this week", "2026-09-20", "2026-09-27"),
        ("last week", "2026-09-13", "2026-09-20"),
        ("this month", "2026-09-01", "2026-10-01"),
        ("last month", "2026-08-01", "2026-09-01"),
        ("this year", "2026-01-01", "2027-01-01"),
        ('"Last Year"', "2025-01-01", "2026-01-01"),
    ],
)
def test_words_of_time_are_spans(word: str, begin: str, end: str) -> None:
    found = parse_search(f'"received:{word} x"', NOW)
    assert isinstance(found, AllOf)
    first = parse_search(f'"received>={begin}"', NOW)
    last = parse_search(f'"received<{end}"', NOW)
    assert isinstance(first, Range)
    assert isinstance(last, Range)
    assert found.terms[0] == Range("received", first.low, last.high)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "The search has no word to look for."),
        ('""', "The search has no word to look for."),
        ('"... !"', "The search has no word to look for."),
        ("*", "The search has no word to look for."),
        ("subject:x", "Syntax error: character ':' is not valid at position 7 in 'subject:x'."),
        ('"', "Syntax error at position 0"),
        ('"a', "Syntax error at position 0"),
        ('"(a"', "Syntax error at position 2 in '(a'."),
        ('"a)"', "Syntax error at position 1 in 'a)'."),
        ('"()"', "The search has no word to look for."),
        ('"a OR"', "Syntax error at position 4"),
        ('"OR a"', "Syntax error"),
        ('"a OR ... OR b"', "Syntax error"),
        ('"AND a"', "Syntax error"),
        ('"a AND"', "Syntax error"),
        ('"NOT"', "Syntax error"),
        (r'"a \"b"', "Unterminated phrase at position 2"),
        ('"subject:"', "Syntax error"),
        ('"subject:..."', "'subject:...' is not a value of the property 'subject'."),
        ('"subject>x"', "'subject>x' is not a value of the property 'subject'."),
        ('"received:someday"', "'received:someday' is not a value of the property 'received'."),
        ('"received:2026-02-30"', "is not a value"),
        ('"received:31/12/2026"', "is not a value"),
        ('"received>2026-01-01..2026-01-02"', "is not a value"),
        ('"received:9999-12-31"', "is not a value"),
        ('"size:large"', "is not a value"),
        ('"size:-1"', "is not a value"),
        ('"importance:urgent"', "is not a value"),
        ('"importance>low"', "is not a value"),
        ('"kind:nonsense"', "is not a value"),
        ('"hasattachments:maybe"', "is not a value"),
        ("a" * (MAX_LENGTH + 1), "The search is too long."),
        ('"' + "(" * (MAX_DEPTH + 1) + '"', "The search is nested too deeply"),
        ('"' + "-" * (MAX_DEPTH + 1) + 'a"', "The search is nested too deeply"),
        ('"' + "a " * (MAX_TERMS + 1) + '"', "The search has too many terms"),
        ("日" * (MAX_WORDS + 1), "The search has too many words"),
        ('"subject:\\"' + "a-" * (MAX_WORDS + 1) + '\\""', "The search has too many words"),
        ('"subject<>' + "a-" * (MAX_WORDS + 1) + '"', "The search has too many words"),
        ('"' + "a* " * (MAX_WORDS // 10) + '"', "The search has too many words"),
    ],
)
def test_what_is_no_search_is_refused_with_the_reason(query: str, message: str) -> None:
    with pytest.raises(ODataError) as caught:
        parse_search(query, NOW)
    assert message in caught.value.message
    assert caught.value.option == "$search"


SIGNS = st.sampled_from([*'"\\()-+*:< \0é日\ud800\n', ">=", ".."])
NAMES = st.sampled_from(
    ["AND", "OR ", "NOT ", "subject:", "size", "received:", "today", "this week", "a", "5", "kind:"]
)
PIECES = SIGNS | NAMES


@settings(max_examples=1500)
@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=40).map("".join)), st.booleans())
def test_whatever_the_text_there_is_a_tree_or_the_error(query: str, is_quoted: bool) -> None:
    try:
        tree = parse_search(f'"{query}"' if is_quoted else query, NOW)
    except ODataError:
        return
    for phrase in phrases(tree):
        assert phrase.words
        assert set(phrase.fields) <= set(FIELDS)


def phrases(tree: Sought) -> list[Phrase]:
    match tree:
        case Phrase():
            return [tree]
        case AllOf() | AnyOf():
            assert len(tree.terms) > 1
            return [phrase for term in tree.terms for phrase in phrases(term)]
        case Without():
            return phrases(tree.term)
        case _:
            return []


@pytest.mark.parametrize(
    "piece", ['"', "(", "a:", "-", "\\", 'a"', "subject:(", "size:1..", "NOT ", "AND ", "(a OR "]
)
def test_the_longest_search_is_read_as_fast_as_it_is_long(piece: str) -> None:
    query = piece * (MAX_LENGTH // len(piece))
    for each in (query, f'"{query[2:]}"'):
        try:
            parse_search(each, NOW)
        except ODataError:
            continue


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("Don't e-mail adele_v@x.test!", ["don", "t", "e", "mail", "adele", "v", "x", "test"]),
        ("GRÖSSE größe", ["grosse", "grosse"]),
        ("ÉCOLE cafe\u0301", ["ecole", "cafe"]),
        ("ＡＢＣ ﬁne", ["abc", "fine"]),
        ("日本語 mail", ["日", "本", "語", "mail"]),
        ("한국어 메일", ["한국어", "메일"]),
        ("İstanbul", ["istanbul"]),
        ("... \0 \ud800", []),
    ],
)
def test_words_are_what_is_left_of_a_text(written: str, found: list[str]) -> None:
    assert words(written) == found


@given(st.text())
def test_words_of_words_are_themselves(written: str) -> None:
    found = words(written)
    assert words(" ".join(found)) == found
