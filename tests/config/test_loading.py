"""Settings come from a file, the environment and flags, and wrong ones are refused by name."""

from pathlib import Path
from typing import Any

import pytest

from graphpost.config import Config, load
from graphpost.errors import ConfigurationError

GUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


def load_text(tmp_path: Path, text: str, environ: dict[str, str] | None = None, **flags: Any) -> Config:
    file = tmp_path / "graphpost.toml"
    file.write_text(text)
    return load(file, data=tmp_path / "data", environ=environ or {}, flags=flags)


def test_the_environment_overrides_the_file_and_flags_override_both(tmp_path: Path) -> None:
    file = tmp_path / "g.toml"
    file.write_text('[server]\nport = 1\nhost = "10.0.0.1"\nnames = ["a.test"]\n')
    environ = {"GRAPHPOST_SERVER_PORT": "2", "GRAPHPOST_SERVER_NAMES": "b.test, c.test"}
    config = load(file, data=tmp_path, environ=environ, flags={"server.port": 3, "server.tls": None})
    assert (config.server.port, config.server.host, config.server.names) == (
        3,
        "10.0.0.1",
        ["b.test", "c.test"],
    )


def test_the_data_directory_is_the_argument_then_the_environment_then_the_file(tmp_path: Path) -> None:
    file = tmp_path / "g.toml"
    file.write_text(f'data = "{tmp_path}/of-file"\n')
    environ = {"GRAPHPOST_DATA": str(tmp_path / "of-environment")}
    assert load(file, data=None, environ={}, flags={}).data == tmp_path / "of-file"
    assert load(file, data=None, environ=environ, flags={}).data == tmp_path / "of-environment"
    assert load(file, data=tmp_path / "given", environ=environ, flags={}).data == tmp_path / "given"


def test_a_relay_is_the_route_of_every_domain_without_its_own(tmp_path: Path) -> None:
    text = """
    [[routes]]
    domains = ["a.test"]
    to = "capture:"
    [[routes]]
    domains = ["*"]
    to = "reject:"
    """
    config = load_text(tmp_path, text, relay="smtp://127.0.0.1:2525")
    assert [(route.domains, route.to) for route in config.routes] == [
        (["a.test"], "capture:"),
        (["*"], "smtp://127.0.0.1:2525"),
    ]


def test_the_relay_may_be_in_the_environment_and_the_flag_wins(tmp_path: Path) -> None:
    environ = {"GRAPHPOST_RELAY": "smtp://one.test"}
    text = '[[routes]]\ndomains = ["*"]\nto = "reject:"\n'
    assert [route.to for route in load_text(tmp_path, text, environ).routes] == ["smtp://one.test"]
    flagged = load_text(tmp_path, text, environ, relay="smtp://two.test")
    assert [route.to for route in flagged.routes] == ["smtp://two.test"]
    for text, key in (("routes = 1", "routes"), ("routes = [1]", "routes[0]")):
        with pytest.raises(ConfigurationError) as caught:
            load_text(tmp_path, text, environ)
        assert caught.value.key == key


def test_without_accounts_the_embedded_default_is_taken_and_kept(tmp_path: Path) -> None:
    first = load(None, data=tmp_path / "d", environ={}, flags={})
    again = load(None, data=tmp_path / "d", environ={}, flags={})
    assert first == again
    assert [box.address for box in first.mailboxes] == ["adele@example.test", "alex@example.test"]
    assert first.tenant.domains == ["example.test"]
    assert first.issuer.password_grant
    (application,) = first.applications
    assert application.public
    permissions = ["Mail.Send", "Mail.ReadWrite", "MailboxSettings.ReadWrite", "User.Read.All"]
    assert application.application_permissions == permissions
    assert application.delegated_permissions == [*permissions, "User.Read"]
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "d/defaults.json").stat().st_mode & 0o777 == 0o600


def test_two_data_directories_share_no_secret(tmp_path: Path) -> None:
    one, two = (load(None, data=tmp_path / name, environ={}, flags={}) for name in "ab")
    assert one.tenant.id != two.tenant.id
    assert one.applications[0].secrets != two.applications[0].secrets
    assert one.mailboxes[0].password != two.mailboxes[0].password


def test_an_own_mailbox_switches_the_embedded_default_off(tmp_path: Path) -> None:
    config = load_text(tmp_path, '[[mailboxes]]\naddress = "a@b.test"\n')
    assert [box.address for box in config.mailboxes] == ["a@b.test"]
    assert config.applications == []
    assert not config.issuer.password_grant
    assert config.tenant.id


def test_the_embedded_default_respects_a_refused_password_grant(tmp_path: Path) -> None:
    assert not load_text(tmp_path, "[issuer]\npassword_grant = false\n").issuer.password_grant


def test_secrets_come_from_files_and_variables(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "one").write_text("s1\n\ns2\n")
    (data / "two").write_text("pass word\n")
    text = f"""
    [[mailboxes]]
    address = "a@b.test"
    password_file = "two"
    [[applications]]
    client_id = "{GUID}"
    secrets_file = "one"
    [[routes]]
    domains = ["*"]
    to = "smtps://relay.test"
    username = "u"
    password_env = "RELAY_PASSWORD"
    """
    config = load_text(tmp_path, text, {"RELAY_PASSWORD": "p"})
    assert config.mailboxes[0].password == "pass word"
    assert config.applications[0].secrets == ["s1", "s2"]
    assert config.routes[0].password == "p"


def test_a_host_has_the_credentials_of_its_route_unless_it_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secret").write_text("s3cret\n")
    text = """
    [[routes]]
    domains = ["*"]
    username = "u"
    password_env = "GRAPHPOST_SERVER_PASSWORD"
    [[routes.hosts]]
    to = "smtps://a.test"
    weight = 3
    [[routes.hosts]]
    to = "smtps://b.test"
    priority = 1
    username = "v"
    token_url = "https://id.test/token"
    client_id = "us"
    client_secret_file = "secret"
    """
    (route,) = load_text(tmp_path, text, {"GRAPHPOST_SERVER_PASSWORD": "p"}).routes
    first, second = route.smarthosts()
    assert (first.username, first.password, first.weight, first.priority) == ("u", "p", 3, 0)
    assert (second.username, second.password, second.client_secret) == ("v", "", "s3cret")


@pytest.mark.parametrize(
    "name", ["mail.a.test", "localhost", "bücher.test", "[192.0.2.3]", "[IPv6:2001:db8::1]"]
)
def test_what_can_be_said_in_ehlo_can_be_our_name(tmp_path: Path, name: str) -> None:
    assert load_text(tmp_path, f'[delivery]\nhostname = "{name}"').delivery.hostname == name


def test_routes_to_one_relay_may_differ_in_where_they_come_from(tmp_path: Path) -> None:
    text = route('to = "smtp://h"\nsource = "192.0.2.1"') + route(
        'to = "smtp://h"\nsource = "192.0.2.2"\ntls = "required"'
    )
    assert len(load_text(tmp_path, text).routes) == 2


def test_a_variable_named_by_a_setting_may_look_like_a_setting(tmp_path: Path) -> None:
    text = '[[mailboxes]]\naddress = "a@b.test"\npassword_env = "GRAPHPOST_SERVER_SECRET"\n'
    assert load_text(tmp_path, text, {"GRAPHPOST_SERVER_SECRET": "x"}).mailboxes[0].password == "x"


def test_named_files_get_absolute_paths_under_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("server.pem", "server.key"):
        (tmp_path / "data" / name).touch()
    config = load_text(tmp_path, '[server]\ncertificate = "server.pem"\nkey = "server.key"\n')
    assert config.server.key == str(tmp_path / "data/server.key")


def mailbox(rest: str = "", address: str = "a@b.test") -> str:
    return f'[[mailboxes]]\naddress = "{address}"\n{rest}\n'


def application(rest: str = "") -> str:
    return f'[[applications]]\nclient_id = "{GUID}"\n{rest}\n'


def route(rest: str) -> str:
    return f'[[routes]]\ndomains = ["*"]\n{rest}\n'


REFUSED = [
    ('[[issuers]]\nkind = "adfs"', "issuers[0].kind", "'adfs' is not one of"),
    ('[[issuers]]\nkind = "entra"', "issuers[0].tenant_id", "is not a GUID"),
    (
        f'[[issuers]]\nkind = "entra"\ntenant_id = "{GUID}"\ncloud = "mars"',
        "issuers[0].cloud",
        "is not one of",
    ),
    (
        f'[[issuers]]\nkind = "entra"\ntenant_id = "{GUID}"\nissuer = "https://x"',
        "issuers[0].issuer",
        "which has a tenant_id",
    ),
    ('[[issuers]]\nkind = "oidc"', "issuers[0].issuer", "is required"),
    (
        '[[issuers]]\nkind = "oidc"\nissuer = "https://x"\naudiences = ["a"]\nprovision = true',
        "issuers[0].provision_domains",
        "needs the domains",
    ),
    (
        '[[issuers]]\nkind = "oidc"\nissuer = "https://x"\naudiences = ["a"]\nprovision_domains = ["*"]',
        "issuers[0].provision_domains[0]",
        "not a domain",
    ),
    ('[[issuers]]\nkind = "oidc"\nissuer = "https://x"', "issuers[0].audiences", "needs at least one"),
    (
        '[[issuers]]\nkind = "oidc"\nissuer = "https://x"\naudiences = ["a b"]',
        "issuers[0].audiences[0]",
        "one word",
    ),
    (
        '[[issuers]]\nkind = "oidc"\nissuer = "http://id.test"\naudiences = ["a"]',
        "issuers[0].issuer",
        "must be an https:// URL",
    ),
    (
        '[[issuers]]\nkind = "oidc"\nissuer = "https://id.test/?a"\naudiences = ["a"]',
        "issuers[0].issuer",
        "must be an https:// URL",
    ),
    (
        '[[issuers]]\nkind = "oidc"\nissuer = "https://[x"\naudiences = ["a"]',
        "issuers[0].issuer",
        "must be an https:// URL",
    ),
    (
        f'[[issuers]]\nkind = "oidc"\nissuer = "https://x"\naudiences = ["a"]\ntenant_id = "{GUID}"',
        "issuers[0].tenant_id",
        "only",
    ),
    (
        '[[issuers]]\nkind = "oidc"\nissuer = "https://x"\naudiences = ["a"]\njwks_uri = "file:none.json"',
        "issuers[0].jwks_uri",
        "there is no file",
    ),
    (
        '[[issuers]]\nkind = "oidc"\nissuer = "https://x"\naudiences = ["a"]\njwks_uri = "ftp://x/y"',
        "issuers[0].jwks_uri",
        "must be an https:// URL",
    ),
    (
        '[[issuers]]\nkind = "oidc"\nissuer = "https://x"\naudiences = ["a"]\nca_file = "none.pem"',
        "issuers[0].ca_file",
        "there is no file",
    ),
    (
        '[[issuers]]\nkind = "oidc"\nissuer = "https://x"\naudiences = ["a"]\ndomains = ["a b"]',
        "issuers[0].domains[0]",
        "is not a domain",
    ),
    (
        '[[issuers]]\nkind = "oidc"\nissuer = "https://x"\naudiences = ["a"]\napplications = ["a b"]',
        "issuers[0].applications[0]",
        "no client id",
    ),
    (
        '[[issuers]]\nkind = "oidc"\nissuer = "https://x"\naudiences = ["a"]\nleeway_seconds = -1',
        "issuers[0].leeway_seconds",
        "between",
    ),
    (
        '[[issuers]]\nkind = "oidc"\nissuer = "https://x"\naudiences = ["a"]\n' * 2,
        "issuers[1]",
        "the same issuer",
    ),
    ("[server]\nprot = 1", "server.prot", "did you mean `port`?"),
    ("[sever]\nport = 1", "sever", "did you mean `server`?"),
    ("[[routes]]\ndomains = ['*']\nto = 'local:'\nuser = 'x'", "routes[0].user", "did you mean `username`?"),
    ("[server]\nzzz = 1", "server.zzz", "there are: "),
    ('[server]\nport = "8443"', "server.port", "must be a whole number, not text in quotes"),
    ("[server]\nport = 65536", "server.port", "between 0 and 65535"),
    ("[server]\nport = -1", "server.port", "negative"),
    ("[metrics]\nport = 70000", "metrics.port", "between 0 and 65535"),
    ('[server]\nhost = "0.0.0.0"\ntls = false', "server.tls", "loopback only"),
    ('[server]\nhost = "a\\u0000b"', "server.host", "must not have a NUL character"),
    (mailbox('password = "a\\u0000b"'), "mailboxes[0].password", "must not have a NUL character"),
    (mailbox("quota_bytes = 9999999999999999999"), "mailboxes[0].quota_bytes", "is too large"),
    ('[metrics]\nhost = "a b"', "metrics.host", "is not a host name or an address"),
    ("[accounts]\nquota_warning = 90", "accounts.quota_warning", "must be 1 at most"),
    (
        '[delivery]\nretry_seconds = ["1m"]',
        "delivery.retry_seconds[0]",
        "must be a number, not text in quotes",
    ),
    (
        '[[rights]]\nmailbox = "a@b.test"\nto = []\nrights = ["Everything"]\n',
        "rights[0].rights[0]",
        '\'Everything\' is not one of "FullAccess", "SendAs", "SendOnBehalf"',
    ),
    (
        '[server]\nforwarded_allow_ips = "10.0.0.1, proxy"',
        "server.forwarded_allow_ips",
        "'proxy' is not an address",
    ),
    ('[server]\nkey = "x.pem"', "server.certificate", "is missing"),
    ('[inbound]\nkey = "x.pem"', "inbound.certificate", "is missing"),
    ('[server]\ncertificate = "x.pem"', "server.certificate", "there is no file"),
    ('[server]\ncertificate = "x.pem"\nkey = "y"', "server.certificate", "there is no file"),
    ("[server]\nnames = []", "server.names", "at least one"),
    (
        '[throttling]\nprofile = "strict"',
        "throttling.profile",
        '\'strict\' is not one of "off", "exchange-online", "custom"',
    ),
    ('[throttling]\nprofile = "custom"', "throttling.profile", "custom needs a limit"),
    ('[throttling]\nprofile = "exchange-online"\nmessages = 5', "throttling.messages", 'profile = "custom"'),
    ("[throttling]\nrecipients_seconds = 60.0", "throttling.recipients_seconds", 'profile = "custom"'),
    ('[throttling]\nprofile = "custom"\nrequests = -1', "throttling.requests", "negative"),
    (
        '[throttling]\nprofile = "custom"\nrequests = 1\nrequests_seconds = 0.0',
        "throttling.requests_seconds",
        "greater than 0",
    ),
    ('[server]\nnames = ["a b"]', "server.names[0]", "not a host name"),
    ("server = 1", "server", "must be a table, not a whole number"),
    ('[store]\nurl = "mysql://x"', "store.url", "sqlite:FILE"),
    ('[store]\nurl = "sqlite:/"', "store.url", "/ is a directory; name a file in it"),
    ('[store]\nurl = "sqlite:."', "store.url", "is a directory"),
    ('[store]\nblobs = "s3://x/y"', "store.blobs", "not available yet"),
    ('[store]\nblobs = "x"', "store.blobs", "files:DIRECTORY"),
    ('[tenant]\nid = "contoso"', "tenant.id", "not a GUID"),
    ('[tenant]\ndomains = ["a_b..c"]', "tenant.domains[0]", "not a domain"),
    ("[delivery]\nconnect_seconds = 0", "delivery.connect_seconds", "greater than 0"),
    ("[delivery]\nlease_seconds = nan", "delivery.lease_seconds", "finite"),
    ("[delivery]\nexpiry_seconds = 1e30", "delivery.expiry_seconds", "too large"),
    ("[delivery]\nretry_seconds = [60, 1e11]", "delivery.retry_seconds", "too large"),
    ("[delivery]\nqueue_deliveries = 1_000_000_000_000_000_000", "delivery.queue_deliveries", "too large"),
    (
        '[[routes]]\ndomains = ["*"]\nto = "smtps://r.test"\nusername = "u"\npassword_file = "\\u0000"',
        "routes[0].password_file",
        "NUL character",
    ),
    ("[delivery]\nretry_seconds = []", "delivery.retry_seconds", "at least one"),
    ("[delivery]\nretry_seconds = [0]", "delivery.retry_seconds", "greater than 0"),
    ("[limits]\nrecipients = 0", "limits.recipients", "greater than 0"),
    ('[log]\nformat = "xml"', "log.format", '\'xml\' is not one of "text", "json"'),
    ("[[mailboxes]]\nname = 'x'", "mailboxes[0].address", "is required"),
    (mailbox(address="nobody"), "mailboxes[0].address", "not an e-mail address"),
    (mailbox(address="a@b\\r\\n.test"), "mailboxes[0].address", "not an e-mail address"),
    (mailbox() + mailbox(address="A@B.test"), "mailboxes[1].address", "is already mailboxes[0].address"),
    (mailbox('aliases = ["a@b.test"]'), "mailboxes[0].aliases[0]", "is already mailboxes[0].address"),
    (mailbox('name = "a\\nb"'), "mailboxes[0].name", "one line"),
    (mailbox('password = "x"\npassword_file = "y"'), "mailboxes[0].password_file", "cannot be combined"),
    (mailbox('password_file = "y"'), "mailboxes[0].password_file", "cannot read"),
    (mailbox('kind = "room"'), "mailboxes[0].kind", "is not one of"),
    (mailbox('kind = "shared"\npassword = "x"'), "mailboxes[0].password", "nobody signs in"),
    ("[[groups]]\nmembers = []", "groups[0].name", "is required"),
    ('[[groups]]\nname = " "', "groups[0].name", "1 to 256"),
    ('[[groups]]\nname = "a@b.test"', "groups[0].name", "looks like an address"),
    (f'[[groups]]\nname = "{GUID}"', "groups[0].name", "looks like"),
    ('[[groups]]\nname = "a"\n[[groups]]\nname = "A"', "groups[1].name", "is already groups[0].name"),
    (mailbox() + '[[groups]]\nname = "a"\naddress = "A@b.test"', "groups[0].address", "mailboxes[0].address"),
    ('[[groups]]\nname = "a"\nmembers = ["x"]', "groups[0].members[0]", "not a GUID"),
    (mailbox('password_env = "NOT_SET"'), "mailboxes[0].password_env", "NOT_SET is not set"),
    ('[[applications]]\nclient_id = "x"', "applications[0].client_id", "not a GUID"),
    (application() + application(), "applications[1].client_id", "another application's"),
    (application('secrets = ["x"]\nsecrets_env = "Y"'), "applications[0].secrets_env", "cannot be combined"),
    (application('certificates = ["no.pem"]'), "applications[0].certificates[0]", "there is no file"),
    (application('redirect_uris = ["/x"]'), "applications[0].redirect_uris[0]", "absolute URI"),
    (
        application('application_permissions = ["a b"]'),
        "applications[0].application_permissions[0]",
        "permission",
    ),
    (
        application('delegated_permissions = ["User.Read", "Mail.send"]'),
        "applications[0].delegated_permissions[1]",
        "'Mail.send' is no permission that Graphpost knows; did you mean Mail.Send?",
    ),
    (
        application('application_permissions = ["Calendars.Read"]'),
        "applications[0].application_permissions[0]",
        "no permission that Graphpost knows",
    ),
    (application('mailbox_scope = ["x"]'), "applications[0].mailbox_scope[0]", "not a GUID"),
    (
        application('permission_scopes = {"Mail.Sned" = []}'),
        "applications[0].permission_scopes",
        "did you mean Mail.Send?",
    ),
    (
        application('permission_scopes = {"Mail.Send" = ["a@b.test", "x"]}'),
        "applications[0].permission_scopes.Mail.Send[1]",
        "not a GUID",
    ),
    ('[[routes]]\ndomains = []\nto = "local:"', "routes[0].domains", "at least one domain"),
    ('[[routes]]\ndomains = ["*x.test"]\nto = "local:"', "routes[0].domains[0]", "not a domain"),
    (route('to = "mx:far.test"'), "routes[0].to", "nothing follows `mx:`"),
    (route('to = "mx:0"'), "routes[0].to", "nothing follows `mx:`"),
    (route('to = "mx:"\nusername = "u"\npassword = "p"'), "routes[0].username", "is no use with mx:"),
    (route('to = "mx:"\nsource = "eth0"'), "routes[0].source", "not an IP address"),
    (route('to = "mx:"\nhostname = "a b"'), "routes[0].hostname", "not a domain"),
    ('[dns]\nservers = ["ns.test"]', "dns.servers[0]", "not an IP address"),
    ('[dns]\nservers = ["127.0.0.1:x"]', "dns.servers[0]", "not a port"),
    ('[[dkim]]\ndomain = "a.test"\nselector = "../x"', "dkim[0].selector", "not a selector"),
    (2 * '[[dkim]]\ndomain = "a.test"\nselector = "x"\n', "dkim[1].selector", "already another key's"),
    (route('to = "http://x"'), "routes[0].to", "must be smtp://HOST:PORT"),
    (route('to = "smtp://"'), "routes[0].to", "must be smtp://HOST:PORT"),
    (route('to = "smtp://h:99999"'), "routes[0].to", "is not a URL"),
    (route('to = "smtp://u:p@h"'), "routes[0].to", "takes no credentials"),
    (route('to = "local:x"'), "routes[0].to", "nothing follows"),
    (route('to = "smtp://h"\nusername = "u"\npassword = "p"'), "routes[0].tls", '"required"'),
    (route('to = "smtps://h"\nusername = "u"'), "routes[0].password", "go together"),
    (route('to = "smtps://h"\nauth = "plain"'), "routes[0].auth", "needs a username"),
    (route('to = "smtp://h"\ntls = "maybe"'), "routes[0].tls", "is not one of"),
    (route('to = "smtp://h"\nca_file = "ca.pem"'), "routes[0].ca_file", "there is no file"),
    (route('to = "smtp://h"\ncertificate = "us.pem"'), "routes[0].certificate", "there is no file"),
    (route('to = "mx:"\nkey = "us.key"'), "routes[0].certificate", "is missing"),
    (
        route('to = "smtp://h"\ntls = "none"\ncertificate = "us.pem"'),
        "routes[0].certificate",
        "is no use with tls",
    ),
    (route('to = "capture:"\ncertificate = "us.pem"'), "routes[0].certificate", "is no use with capture:"),
    (route('to = "mx:"\ntls_downgrade = "never"'), "routes[0].tls_downgrade", "is not one of"),
    (route(""), "routes[0].to", "is required"),
    (route('to = "smtp://☃.test"'), "routes[0].to", "not a host name"),
    (route('to = "mx:"\nhostname = "[192.0.2.300]"'), "routes[0].hostname", "not an address literal"),
    ('[delivery]\nhostname = "a b"', "delivery.hostname", "not a domain"),
    ('[delivery]\nhostname = "a\\r\\nMAIL"', "delivery.hostname", "not a domain"),
    (route('to = "reject:\\n"'), "routes[0].to", "one line"),
    (route('to = "smtp://h"\nhosts = [{to = "smtp://g"}]'), "routes[0].to", "cannot be combined with hosts"),
    (route('hosts = [{to = "mx:"}]'), "routes[0].hosts[0].to", "must be smtp://HOST:PORT"),
    (route("hosts = [{}]"), "routes[0].hosts[0].to", "is required"),
    (route('hosts = [{to = "smtp://h", wait = 5}]'), "routes[0].hosts[0].wait", "did you mean `weight`?"),
    (route('hosts = [{to = "smtp://h"}, {to = "smtp://h"}]'), "routes[0].hosts[1].to", "is there already"),
    (route('hosts = [{to = "smtp://h", weight = 0}]'), "routes[0].hosts[0].weight", "between 1 and 1000"),
    (route('hosts = [{to = "smtp://h", priority = -1}]'), "routes[0].hosts[0].priority", "not be negative"),
    ('[mailboxes]\naddress = "a@b.test"', "mailboxes", "its heading has two brackets: [[…]]"),
    (route('[routes.hosts]\nto = "smtp://h"'), "routes[0].hosts", "its heading has two brackets: [[…]]"),
    (
        "[delivery]\nretry_seconds = { a = 1 }",
        "delivery.retry_seconds",
        "must be a list in brackets, not a table",
    ),
    (route('hosts = "smtp://h"'), "routes[0].hosts", "must be a list in brackets, not text in quotes"),
    (
        route('username = "u"\npassword = "p"\nhosts = [{to = "smtps://h"}, {to = "smtp://h"}]'),
        "routes[0].hosts[1].tls",
        '"required"',
    ),
    (
        route('hosts = [{to = "smtps://h", username = "u"}]'),
        "routes[0].hosts[0].password",
        "go together",
    ),
    (route('hosts = [{to = "smtps://h", scope = "s"}]'), "routes[0].hosts[0].scope", "needs a token_url"),
    (route('to = "smtps://h"\ntoken_command = ["t"]'), "routes[0].username", "go together"),
    (
        route('to = "smtps://h"\nusername = "u"\npassword = "p"\ntoken_command = ["t"]'),
        "routes[0].token_command",
        "cannot be combined with password",
    ),
    (
        route('to = "smtp://h"\nusername = "u"\ntoken_command = ["t"]'),
        "routes[0].tls",
        "to send a token",
    ),
    (
        route('to = "smtps://h"\nusername = "u"\nauth = "plain"\ntoken_command = ["t"]'),
        "routes[0].auth",
        "xoauth2 or oauthbearer",
    ),
    (
        route('to = "smtps://h"\nusername = "u"\ntoken_command = [""]'),
        "routes[0].token_command",
        "is not a command",
    ),
    (
        route('to = "smtps://h"\nusername = "u"\ntoken_command = ["t"]\ntoken_seconds = 0'),
        "routes[0].token_seconds",
        "greater than 0",
    ),
    (
        route('to = "smtps://h"\nusername = "u"\ntoken_url = "https://id.test/t"\nclient_id = "c"'),
        "routes[0].client_secret",
        "goes with token_url",
    ),
    (
        route(
            'to = "smtps://h"\nusername = "u"\ntoken_url = "http://id.test/t"\nclient_id = "c"\nclient_secret = "s"'
        ),
        "routes[0].token_url",
        "must be https",
    ),
    (
        route('to = "smtps://h"\nusername = "u"\npassword = "p"\nscope = "s"'),
        "routes[0].scope",
        "needs a token_url",
    ),
    (
        route('to = "smtp://h"') + route('to = "smtp://h"\ntls = "verified"'),
        "routes[1].tls",
        "is not as in routes[0]",
    ),
]


@pytest.mark.parametrize(("text", "key", "problem"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_wrong_setting_is_refused_with_its_path(tmp_path: Path, text: str, key: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_text(tmp_path, text)
    assert caught.value.key == key
    assert problem in caught.value.problem
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "key", "problem"),
    [
        ({"GRAPHPOST_SERVER_PORT": "many"}, "GRAPHPOST_SERVER_PORT", "must be a whole number"),
        ({"GRAPHPOST_SERVER_PROT": "1"}, "GRAPHPOST_SERVER_PROT", "did you mean `GRAPHPOST_SERVER_PORT`?"),
        ({"GRAPHPOST_SERVR_PORT": "1"}, "GRAPHPOST_SERVR_PORT", "did you mean `GRAPHPOST_SERVER_PORT`?"),
        ({"GRAPHPOST_ROUTES": "smtp://h"}, "GRAPHPOST_ROUTES", "put it into the settings file"),
        ({"GRAPHPOST_RELAY": "relay.test"}, "GRAPHPOST_RELAY", "must be smtp://HOST:PORT"),
        ({"GRAPHPOST_LOG_LEVEL": "loud"}, "GRAPHPOST_LOG_LEVEL", "is not one of"),
    ],
)
def test_a_wrong_variable_is_refused_with_its_name(
    tmp_path: Path, environ: dict[str, str], key: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, data=tmp_path, environ=environ, flags={})
    assert caught.value.key == key
    assert problem in caught.value.problem


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: cannot be read: No such file"):
        load(tmp_path / "nowhere.toml", data=tmp_path, environ={}, flags={})
    with pytest.raises(ConfigurationError, match="is not TOML"):
        load_text(tmp_path, "x = ")


def test_damaged_defaults_are_reported_not_replaced(tmp_path: Path) -> None:
    load(None, data=tmp_path, environ={}, flags={})
    (tmp_path / "defaults.json").write_text("{")
    with pytest.raises(ConfigurationError, match="is damaged"):
        load(None, data=tmp_path, environ={}, flags={})
    assert (tmp_path / "defaults.json").read_text() == "{"


@pytest.mark.parametrize(
    ("relay", "problem"),
    [
        ("relay.test:25", "must be smtp://HOST:PORT"),
        ("smtp://", "must be smtp://HOST:PORT"),
        ("smtp://u:p@relay.test", "takes no credentials"),
        ("smtp://relay.test:port", "is not a URL"),
    ],
)
def test_a_wrong_relay_is_refused_by_the_name_of_its_flag(tmp_path: Path, relay: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, data=tmp_path, environ={}, flags={"relay": relay})
    assert caught.value.key == "--relay"
    assert problem in caught.value.problem


def test_a_variable_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    load(None, data=tmp_path, environ={"GRAPHPOST_RELAY_PASSWORD": "x", "GRAPHPOST_IMAGE": "y"}, flags={})
