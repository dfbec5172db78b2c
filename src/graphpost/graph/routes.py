"""The table of contents: path and method to handler and permission.

In templates `U` stands for `/me` and for `/users/{user}`; `F` for a folder at any depth below its `mailFolders`;
`M` for a message, reached through its mailbox or through a folder.  Names match without regard to letter case, keys
may be written as segments or in parentheses, and a bound operation may be qualified (`microsoft.graph.sendMail`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from graphpost.auth.access import Permission
from graphpost.graph import metadata
from graphpost.graph.attachments import reading as attachments
from graphpost.graph.attachments.attaching import add_attachment, delete_attachment
from graphpost.graph.attachments.uploads import create_upload_session
from graphpost.graph.batch import run_batch
from graphpost.graph.call import Call, Reply
from graphpost.graph.delta import messages as delta
from graphpost.graph.delta.folders import folder_delta
from graphpost.graph.folders import changing as folder_changes
from graphpost.graph.folders import reading as folders
from graphpost.graph.messages import extensions, mentions, moving
from graphpost.graph.messages import reading as messages
from graphpost.graph.messages.changing import update_message
from graphpost.graph.messages.read_state import update_read_state
from graphpost.graph.messages.unsubscribing import unsubscribe
from graphpost.graph.notifications import subscriptions
from graphpost.graph.queries.counting import count_of
from graphpost.graph.sending import replies
from graphpost.graph.sending.drafts import create_message, send_draft
from graphpost.graph.sending.send import send_mail, send_mail_through_device
from graphpost.graph.settings import mailbox_settings, outlook, overrides, rules
from graphpost.graph.settings.categories import CATEGORIES
from graphpost.graph.settings.overrides import OVERRIDES
from graphpost.graph.standing import MAIL_LIST, MAIL_READ, MAIL_SEND, MAIL_WRITE
from graphpost.graph.users import reading as users
from graphpost.graph.users.exchange_ids import translate_ids
from graphpost.graph.users.mail_tips import get_mail_tips
from graphpost.odata.path import Segment

Handler = Callable[[Call], Awaitable[Reply]]
VERSIONS: Final = ("v1.0", "beta")
_NEVER_KEYS: Final = frozenset({"$value", "$count", "$ref", "$batch", "$metadata", "$entity", "$all"})
_NAMESPACES: Final = ("", "microsoft.graph", "graph")


@dataclass(frozen=True, slots=True)
class Route:
    """One row.

    `permission` None needs a token but no permission, and with `is_open` not even that; `bound`: the last segment is a
    bound operation.
    """

    method: str
    template: str
    handler: Handler
    permission: Permission | None
    versions: tuple[str, ...] = VERSIONS
    bound: bool = False
    is_open: bool = False


_ALL_USERS: Final = ("User.ReadBasic.All", "User.Read.All", "User.ReadWrite.All", "Directory.Read.All")
READ_USERS: Final = Permission(_ALL_USERS, _ALL_USERS, directory=True)
READ_SELF: Final = Permission(("User.Read", "User.ReadWrite", *_ALL_USERS), _ALL_USERS, directory=True)
READ_SETTINGS: Final = Permission(
    ("MailboxSettings.Read", "MailboxSettings.ReadWrite"),
    ("MailboxSettings.Read", "MailboxSettings.ReadWrite"),
)
WRITE_SETTINGS: Final = Permission(("MailboxSettings.ReadWrite",), ("MailboxSettings.ReadWrite",))
TRANSLATE: Final = Permission(("User.ReadBasic", "User.Read", "User.ReadWrite", *_ALL_USERS), _ALL_USERS)

ROUTES: Final[tuple[Route, ...]] = (
    # The service itself
    Route("POST", "/$batch", run_batch, None),
    Route("GET", "/", metadata.get_service_document, None, is_open=True),
    Route(
        "GET",
        "/$metadata",
        metadata.metadata_handler(lambda version: bound_operations(ROUTES, version)),
        None,
        is_open=True,
    ),
    # Sending
    Route("POST", "U/sendMail", send_mail, MAIL_SEND, bound=True),
    Route(
        "POST",
        "U/managedDevices/{device}/users/{user}/sendMail",
        send_mail_through_device,
        MAIL_SEND,
        bound=True,
    ),
    Route("POST", "M/send", send_draft, MAIL_SEND, bound=True),
    Route("POST", "M/reply", replies.reply, MAIL_SEND, bound=True),
    Route("POST", "M/replyAll", replies.reply_all, MAIL_SEND, bound=True),
    Route("POST", "M/forward", replies.forward, MAIL_SEND, bound=True),
    Route("POST", "M/createReply", replies.create_reply, MAIL_WRITE, bound=True),
    Route("POST", "M/createReplyAll", replies.create_reply_all, MAIL_WRITE, bound=True),
    Route("POST", "M/createForward", replies.create_forward, MAIL_WRITE, bound=True),
    Route("POST", "M/unsubscribe", unsubscribe, MAIL_SEND, ("beta",), bound=True),
    # People
    Route("GET", "/me", users.get_me, READ_SELF),
    Route("GET", "/users", users.list_users, READ_USERS),
    Route("GET", "/users/{user}", users.get_user, READ_SELF),
    Route("POST", "U/translateExchangeIds", translate_ids, TRANSLATE, bound=True),
    Route("POST", "U/getMailTips", get_mail_tips, MAIL_READ, bound=True),
    Route("GET", "U/mailboxSettings", mailbox_settings.get_settings, READ_SETTINGS),
    Route("GET", "U/mailboxSettings/{setting}", mailbox_settings.get_setting, READ_SETTINGS),
    Route("PATCH", "U/mailboxSettings", mailbox_settings.update_settings, WRITE_SETTINGS),
    Route("GET", "U/outlook", outlook.get_outlook, READ_SETTINGS),
    Route("GET", "U/outlook/masterCategories", CATEGORIES.list_all, READ_SETTINGS),
    Route("GET", "U/outlook/masterCategories/$count", count_of(CATEGORIES.list_all), READ_SETTINGS),
    Route("POST", "U/outlook/masterCategories", CATEGORIES.create, WRITE_SETTINGS),
    Route("GET", "U/outlook/masterCategories/{category}", CATEGORIES.get_one, READ_SETTINGS),
    Route("PATCH", "U/outlook/masterCategories/{category}", CATEGORIES.update, WRITE_SETTINGS),
    Route("DELETE", "U/outlook/masterCategories/{category}", CATEGORIES.delete, WRITE_SETTINGS),
    Route("GET", "U/outlook/supportedLanguages", outlook.list_languages, READ_SETTINGS, bound=True),
    Route("GET", "U/outlook/supportedTimeZones", outlook.list_time_zones, READ_SETTINGS, bound=True),
    Route("GET", "U/outlook/supportedTimeZones/{standard}", outlook.list_time_zones, READ_SETTINGS),
    Route("GET", "U/inferenceClassification", overrides.get_inference, MAIL_READ),
    Route("GET", "U/inferenceClassification/overrides", OVERRIDES.list_all, MAIL_READ),
    Route("GET", "U/inferenceClassification/overrides/$count", count_of(OVERRIDES.list_all), MAIL_READ),
    Route("POST", "U/inferenceClassification/overrides", OVERRIDES.create, MAIL_WRITE),
    Route("GET", "U/inferenceClassification/overrides/{override}", OVERRIDES.get_one, MAIL_READ),
    Route("PATCH", "U/inferenceClassification/overrides/{override}", OVERRIDES.update, MAIL_WRITE),
    Route("DELETE", "U/inferenceClassification/overrides/{override}", OVERRIDES.delete, MAIL_WRITE),
    # Rules
    Route("GET", "F/messageRules", rules.list_rules, READ_SETTINGS),
    Route("GET", "F/messageRules/$count", count_of(rules.list_rules), READ_SETTINGS),
    Route("POST", "F/messageRules", rules.create_rule, WRITE_SETTINGS),
    Route("GET", "F/messageRules/{rule}", rules.get_rule, READ_SETTINGS),
    Route("PATCH", "F/messageRules/{rule}", rules.update_rule, WRITE_SETTINGS),
    Route("DELETE", "F/messageRules/{rule}", rules.delete_rule, WRITE_SETTINGS),
    # Folders
    Route("GET", "U/mailFolders", folders.list_folders, MAIL_LIST),
    Route("GET", "U/mailFolders/$count", count_of(folders.list_folders), MAIL_LIST),
    Route("GET", "F", folders.get_folder, MAIL_LIST),
    Route("GET", "F/childFolders", folders.list_child_folders, MAIL_LIST),
    Route("GET", "F/childFolders/$count", count_of(folders.list_child_folders), MAIL_LIST),
    Route("GET", "U/mailFolders/delta", folder_delta, MAIL_LIST, bound=True),
    Route("POST", "U/mailFolders", folder_changes.create_folder, MAIL_WRITE),
    Route("POST", "F/childFolders", folder_changes.create_child_folder, MAIL_WRITE),
    Route("PATCH", "F", folder_changes.rename_folder, MAIL_WRITE),
    Route("DELETE", "F", folder_changes.delete_folder, MAIL_WRITE),
    Route("POST", "F/move", folder_changes.move_folder, MAIL_WRITE, bound=True),
    Route("POST", "F/copy", folder_changes.copy_folder, MAIL_WRITE, bound=True),
    Route("POST", "F/permanentDelete", folder_changes.delete_folder_for_good, MAIL_WRITE, bound=True),
    Route("POST", "F/updateAllMessagesReadState", update_read_state, MAIL_WRITE, ("beta",), bound=True),
    # Messages
    Route("GET", "U/messages", messages.list_messages, MAIL_LIST),
    Route("GET", "U/messages/$count", messages.count_messages, MAIL_LIST),
    Route("GET", "F/messages", messages.list_messages, MAIL_LIST),
    Route("GET", "F/messages/delta", delta.message_delta, MAIL_LIST, bound=True),
    Route("GET", "U/messages/delta", delta.refuse_delta, MAIL_LIST),
    Route("GET", "F/messages/$count", messages.count_messages, MAIL_LIST),
    Route("GET", "M", messages.get_message, MAIL_LIST),
    Route("GET", "M/$value", messages.get_message_value, MAIL_READ),
    Route("POST", "U/messages", create_message, MAIL_WRITE),
    Route("POST", "F/messages", create_message, MAIL_WRITE),
    Route("PATCH", "M", update_message, MAIL_WRITE),
    Route("DELETE", "M", moving.delete_message, MAIL_WRITE),
    Route("POST", "M/move", moving.move_message, MAIL_WRITE, bound=True),
    Route("POST", "M/copy", moving.copy_message, MAIL_WRITE, bound=True),
    Route("POST", "M/permanentDelete", moving.delete_for_good, MAIL_WRITE, bound=True),
    Route("GET", "M/mentions", mentions.list_mentions, MAIL_READ, ("beta",)),
    Route("GET", "M/mentions/{mention}", mentions.get_mention, MAIL_READ, ("beta",)),
    Route("DELETE", "M/mentions/{mention}", mentions.delete_mention, MAIL_WRITE, ("beta",)),
    # Change notifications, of messages alone
    Route("POST", "/subscriptions", subscriptions.create_subscription, MAIL_LIST),
    Route("GET", "/subscriptions", subscriptions.list_subscriptions, MAIL_LIST),
    Route("GET", "/subscriptions/{subscription}", subscriptions.get_subscription, MAIL_LIST),
    Route("PATCH", "/subscriptions/{subscription}", subscriptions.update_subscription, MAIL_LIST),
    Route("DELETE", "/subscriptions/{subscription}", subscriptions.delete_subscription, MAIL_LIST),
    Route(
        "POST", "/subscriptions/{subscription}/reauthorize", subscriptions.reauthorize, MAIL_LIST, bound=True
    ),
    # Attachments
    Route("GET", "M/attachments", attachments.list_attachments, MAIL_READ),
    Route("GET", "M/attachments/$count", count_of(attachments.list_attachments), MAIL_READ),
    Route("POST", "M/attachments", add_attachment, MAIL_WRITE),
    Route("POST", "M/attachments/createUploadSession", create_upload_session, MAIL_WRITE, bound=True),
    Route("DELETE", "M/attachments/{attachment}", delete_attachment, MAIL_WRITE),
    Route("GET", "M/attachments/{attachment}", attachments.get_attachment, MAIL_READ),
    Route("GET", "M/attachments/{attachment}/$value", attachments.get_attachment_value, MAIL_READ),
    # Open extensions
    Route("GET", "M/extensions", extensions.list_extensions, MAIL_READ),
    Route("GET", "M/extensions/$count", count_of(extensions.list_extensions), MAIL_READ),
    Route("POST", "M/extensions", extensions.create_extension, MAIL_WRITE),
    Route("GET", "M/extensions/{extension}", extensions.get_extension, MAIL_READ),
    Route("PATCH", "M/extensions/{extension}", extensions.update_extension, MAIL_WRITE),
    Route("DELETE", "M/extensions/{extension}", extensions.delete_extension, MAIL_WRITE),
)


@dataclass(slots=True)
class Node:
    """Where a path may go on.  `capture` is the node below a key, and its name in the template."""

    literals: dict[str, Node] = field(default_factory=dict)
    operations: dict[str, Node] = field(default_factory=dict)  # those of the literals that may be qualified
    capture: tuple[str, Node] | None = None
    routes: dict[str, Route] = field(default_factory=dict)  # by method

    def literal(self, name: str) -> Node:
        return self.literals.setdefault(name.lower(), Node())

    def key(self, name: str) -> Node:
        if self.capture is None:
            self.capture = (name, Node())
        assert self.capture[0] == name, f"two names for one key: {name}, {self.capture[0]}"
        return self.capture[1]


def build_tree(routes: Iterable[Route], version: str) -> Node:
    """The routes of one version as a tree; raises AssertionError when two rows claim the same place."""
    root = Node()
    _nest_folders(root)
    for route in routes:
        if version in route.versions:
            for template in expand_template(route.template):
                _place(root, template, route)
    return root


def find_node(root: Node, segments: Iterable[Segment]) -> tuple[Node, dict[str, str]]:
    """The node of a path and its keys; LookupError holds the segment that leads nowhere."""
    node, captures = root, dict[str, str]()
    for segment in segments:
        below = _literal(node, segment)
        if below is not None:
            node = below
            if segment.key is not None:
                node = _enter(node, segment.key, captures, segment)
        elif segment.name.lower() in _NEVER_KEYS:
            raise LookupError(segment.text)
        else:
            node = _enter(node, segment.text, captures, segment)
    return node, captures


def _literal(node: Node, segment: Segment) -> Node | None:
    name = segment.name.lower()
    if not segment.namespace:
        return node.literals.get(name)
    if segment.namespace.lower() in _NAMESPACES:
        return node.operations.get(name)
    return None


def _enter(node: Node, key: str, captures: dict[str, str], segment: Segment) -> Node:
    if node.capture is None or not key:
        raise LookupError(segment.text)
    name, below = node.capture
    captures[name] = key
    return below


def _place(root: Node, template: str, route: Route) -> None:
    node = root
    names = [name for name in template.split("/") if name]
    for index, name in enumerate(names):
        if name.startswith("{"):
            node = node.key(name.strip("{}"))
            continue
        below = node.literal(name)
        if route.bound and index == len(names) - 1:
            node.operations[name.lower()] = below
        node = below
    assert route.method not in node.routes, f"two routes at {route.method} {template}"
    node.routes[route.method] = route


def _nest_folders(root: Node) -> None:
    """Child folders stand below their folder to any depth; only the last folder named counts."""
    for owner in (root.literal("me"), root.literal("users").key("user")):
        folder = owner.literal("mailFolders").key("folder")
        folder.literal("childFolders").capture = ("folder", folder)


def expand_template(template: str) -> Iterator[str]:
    """The paths a template stands for."""
    if template.startswith("M"):
        yield from expand_template("U/messages/{message}" + template[1:])
        yield from expand_template("F/messages/{message}" + template[1:])
    elif template.startswith("F"):
        yield from expand_template("U/mailFolders/{folder}" + template[1:])
    elif template.startswith("U"):
        yield "/me" + template[1:]
        yield "/users/{user}" + template[1:]
    else:
        yield template


def bound_operations(routes: Iterable[Route], version: str) -> frozenset[tuple[str, str]]:
    """Of every bound operation its name and what it is bound to, as a template: (`move`, `M`)."""
    found = (
        route.template.rpartition("/")[::2] for route in routes if route.bound and version in route.versions
    )
    return frozenset((name, owner) for owner, name in found)
