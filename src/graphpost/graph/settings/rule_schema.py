"""`messageRule` and its parts as tables: name, type, field of `mail.rules`."""

from __future__ import annotations

from typing import Final, get_args

from graphpost.graph.schema import IMPORTANCE, EntityType, Kind, Property, Write, entity
from graphpost.mail.rules import ActionFlag, Sensitivity

ACTION_FLAG: Final[tuple[str, ...]] = get_args(ActionFlag)
SENSITIVITY: Final[tuple[str, ...]] = get_args(Sensitivity)


def _texts(name: str, field: str) -> Property:
    return Property(name, Kind.STRING, field, collection=True)


def _people(name: str, field: str) -> Property:
    return Property(name, Kind.RECIPIENT, field, collection=True, edm="microsoft.graph.recipient")


def _boolean(name: str, field: str) -> Property:
    return Property(name, Kind.BOOLEAN, field)


def _word(name: str, field: str, words: tuple[str, ...], edm: str) -> Property:
    return Property(name, Kind.ENUM, field, words=words, edm=f"microsoft.graph.{edm}")


RULE: Final[EntityType] = entity(
    "microsoft.graph.messageRule",
    Property("id", Kind.STRING, nullable=False),
    Property("displayName", Kind.STRING, write=Write.ALWAYS),
    Property("sequence", Kind.INT32, write=Write.ALWAYS),
    Property("isEnabled", Kind.BOOLEAN, write=Write.ALWAYS),
    Property("hasError", Kind.BOOLEAN),
    Property("isReadOnly", Kind.BOOLEAN),
    Property("conditions", Kind.COMPLEX, write=Write.ALWAYS, edm="microsoft.graph.messageRulePredicates"),
    Property("actions", Kind.COMPLEX, write=Write.ALWAYS, edm="microsoft.graph.messageRuleActions"),
    Property("exceptions", Kind.COMPLEX, write=Write.ALWAYS, edm="microsoft.graph.messageRulePredicates"),
)
PREDICATES: Final[EntityType] = entity(
    "microsoft.graph.messageRulePredicates",
    _texts("bodyContains", "body_contains"),
    _texts("bodyOrSubjectContains", "body_or_subject_contains"),
    _texts("categories", "categories"),
    _people("fromAddresses", "from_addresses"),
    _boolean("hasAttachments", "has_attachments"),
    _texts("headerContains", "header_contains"),
    _word("importance", "importance", IMPORTANCE, "importance"),
    _boolean("isApprovalRequest", "is_approval_request"),
    _boolean("isAutomaticForward", "is_automatic_forward"),
    _boolean("isAutomaticReply", "is_automatic_reply"),
    _boolean("isEncrypted", "is_encrypted"),
    _boolean("isMeetingRequest", "is_meeting_request"),
    _boolean("isMeetingResponse", "is_meeting_response"),
    _boolean("isNonDeliveryReport", "is_non_delivery_report"),
    _boolean("isPermissionControlled", "is_permission_controlled"),
    _boolean("isReadReceipt", "is_read_receipt"),
    _boolean("isSigned", "is_signed"),
    _boolean("isVoicemail", "is_voicemail"),
    _word("messageActionFlag", "message_action_flag", ACTION_FLAG, "messageActionFlag"),
    _boolean("notSentToMe", "not_sent_to_me"),
    _texts("recipientContains", "recipient_contains"),
    _texts("senderContains", "sender_contains"),
    _word("sensitivity", "sensitivity", SENSITIVITY, "sensitivity"),
    _boolean("sentCcMe", "sent_cc_me"),
    _boolean("sentOnlyToMe", "sent_only_to_me"),
    _people("sentToAddresses", "sent_to_addresses"),
    _boolean("sentToMe", "sent_to_me"),
    _boolean("sentToOrCcMe", "sent_to_or_cc_me"),
    _texts("subjectContains", "subject_contains"),
    Property("withinSizeRange", Kind.COMPLEX, "within_size_range", edm="microsoft.graph.sizeRange"),
)
ACTIONS: Final[EntityType] = entity(
    "microsoft.graph.messageRuleActions",
    _texts("assignCategories", "assign_categories"),
    Property("copyToFolder", Kind.STRING, "copy_to_folder"),
    _boolean("delete", "delete"),
    _people("forwardAsAttachmentTo", "forward_as_attachment_to"),
    _people("forwardTo", "forward_to"),
    _boolean("markAsRead", "mark_as_read"),
    _word("markImportance", "mark_importance", IMPORTANCE, "importance"),
    Property("moveToFolder", Kind.STRING, "move_to_folder"),
    _boolean("permanentDelete", "permanent_delete"),
    _people("redirectTo", "redirect_to"),
    _boolean("stopProcessingRules", "stop_processing"),
)
