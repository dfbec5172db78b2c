"""The types of `$metadata` that no property table holds.

Those are bases, complex types, and what operations take and give.  Names and types are those of Microsoft Graph's v1.0 CSDL.  A type is written as there: `Edm.String`, `graph.recipient`,
`Collection(…)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from graphpost.graph.schema import BODY_KIND, FLAG_STATUS
from graphpost.graph.settings.settings_in import AUDIENCE, MEETING_DELIVERY, REPLY_STATUS
from graphpost.mail.preferences import WEEK

Members = tuple[tuple[str, str], ...]  # name and type

OUTLOOK_ITEM: Final = ("categories", "changeKey", "createdDateTime", "lastModifiedDateTime")
FILE: Final = ("contentBytes", "contentId", "contentLocation")
REFERENCE: Final = ("sourceUrl", "providerType", "permission", "isFolder")
MENTION: Final[Members] = (
    ("application", "Edm.String"),
    ("clientReference", "Edm.String"),
    ("createdBy", "graph.emailAddress"),
    ("createdDateTime", "Edm.DateTimeOffset"),
    ("deepLink", "Edm.String"),
    ("mentioned", "graph.emailAddress"),
    ("mentionText", "Edm.String"),
    ("serverCreatedDateTime", "Edm.DateTimeOffset"),
)
NAVIGATION: Final[Mapping[str, Members]] = {
    "inferenceClassification": (("overrides", "Collection(graph.inferenceClassificationOverride)"),),
    "outlookUser": (("masterCategories", "Collection(graph.outlookCategory)"),),
    "user": (
        ("inferenceClassification", "graph.inferenceClassification"),
        ("mailFolders", "Collection(graph.mailFolder)"),
        ("messages", "Collection(graph.message)"),
        ("outlook", "graph.outlookUser"),
    ),
    "mailFolder": (
        ("childFolders", "Collection(graph.mailFolder)"),
        ("multiValueExtendedProperties", "Collection(graph.multiValueLegacyExtendedProperty)"),
        ("singleValueExtendedProperties", "Collection(graph.singleValueLegacyExtendedProperty)"),
        ("messageRules", "Collection(graph.messageRule)"),
        ("messages", "Collection(graph.message)"),
    ),
    "itemAttachment": (("item", "graph.outlookItem"),),
}
SUBSCRIPTION: Final[Members] = (
    ("applicationId", "Edm.String"),
    ("changeType", "Edm.String"),
    ("clientState", "Edm.String"),
    ("creatorId", "Edm.String"),
    ("encryptionCertificate", "Edm.String"),
    ("encryptionCertificateId", "Edm.String"),
    ("expirationDateTime", "Edm.DateTimeOffset"),
    ("includeResourceData", "Edm.Boolean"),
    ("latestSupportedTlsVersion", "Edm.String"),
    ("lifecycleNotificationUrl", "Edm.String"),
    ("notificationQueryOptions", "Edm.String"),
    ("notificationUrl", "Edm.String"),
    ("notificationUrlAppId", "Edm.String"),
    ("resource", "Edm.String"),
)
ENUMS: Final[Mapping[str, tuple[str, ...]]] = {
    "attachmentType": ("file", "item", "reference"),
    "automaticRepliesStatus": REPLY_STATUS,
    "bodyType": BODY_KIND,
    "dayOfWeek": WEEK,
    "delegateMeetingMessageDeliveryOptions": MEETING_DELIVERY,
    "externalAudienceScope": AUDIENCE,
    "exchangeIdFormat": ("entryId", "ewsId", "immutableEntryId", "restId", "restImmutableEntryId"),
    "followupFlagStatus": FLAG_STATUS,
    "mailTipsType": (
        "automaticReplies",
        "mailboxFullStatus",
        "customMailTip",
        "externalMemberCount",
        "totalMemberCount",
        "maxMessageSize",
        "deliveryRestriction",
        "moderationStatus",
        "recipientScope",
        "recipientSuggestions",
    ),
    "recipientScopeType": ("none", "internal", "external", "externalPartner", "externalNonPartner"),
    "referenceAttachmentPermission": (
        "other",
        "view",
        "edit",
        "anonymousView",
        "anonymousEdit",
        "organizationView",
        "organizationEdit",
    ),
    "referenceAttachmentProvider": (
        "other",
        "oneDriveBusiness",
        "oneDriveConsumer",
        "dropbox",
    ),
    "userPurpose": ("user", "linked", "shared", "room", "equipment", "others", "unknownFutureValue"),
}
FLAGS: Final[
    Mapping[str, tuple[int, ...]]
] = {  # enumerations of which several words count at once: their values
    "mailTipsType": tuple(1 << bit for bit in range(10)),
    "recipientScopeType": (0, 1, 2, 4, 8),
}
FIRST_VALUES: Final[Mapping[str, int]] = {"categoryColor": -1}  # of enumerations that do not begin with 0
UNTABLED: Final[Mapping[str, str]] = {  # types of enum properties whose table does not name them
    "providerType": "graph.referenceAttachmentProvider",
    "permission": "graph.referenceAttachmentPermission",
}
COMPLEX: Final[Mapping[str, Members]] = {
    "attachmentItem": (
        ("attachmentType", "graph.attachmentType"),
        ("contentId", "Edm.String"),
        ("contentType", "Edm.String"),
        ("isInline", "Edm.Boolean"),
        ("name", "Edm.String"),
        ("size", "Edm.Int64"),
    ),
    "automaticRepliesSetting": (
        ("externalAudience", "graph.externalAudienceScope"),
        ("externalReplyMessage", "Edm.String"),
        ("internalReplyMessage", "Edm.String"),
        ("scheduledEndDateTime", "graph.dateTimeTimeZone"),
        ("scheduledStartDateTime", "graph.dateTimeTimeZone"),
        ("status", "graph.automaticRepliesStatus"),
    ),
    "automaticRepliesMailTips": (
        ("message", "Edm.String"),
        ("messageLanguage", "graph.localeInfo"),
        ("scheduledEndTime", "graph.dateTimeTimeZone"),
        ("scheduledStartTime", "graph.dateTimeTimeZone"),
    ),
    "convertIdResult": (
        ("errorDetails", "graph.genericError"),
        ("sourceId", "Edm.String"),
        ("targetId", "Edm.String"),
    ),
    "dateTimeTimeZone": (("dateTime", "Edm.String"), ("timeZone", "Edm.String")),
    "emailAddress": (("address", "Edm.String"), ("name", "Edm.String")),
    "followupFlag": (
        ("completedDateTime", "graph.dateTimeTimeZone"),
        ("dueDateTime", "graph.dateTimeTimeZone"),
        ("flagStatus", "graph.followupFlagStatus"),
        ("startDateTime", "graph.dateTimeTimeZone"),
    ),
    "genericError": (("code", "Edm.String"), ("message", "Edm.String")),
    "internetMessageHeader": (("name", "Edm.String"), ("value", "Edm.String")),
    "itemBody": (("content", "Edm.String"), ("contentType", "graph.bodyType")),
    "localeInfo": (("displayName", "Edm.String"), ("locale", "Edm.String")),
    "mailboxSettings": (
        ("archiveFolder", "Edm.String"),
        ("automaticRepliesSetting", "graph.automaticRepliesSetting"),
        ("dateFormat", "Edm.String"),
        ("delegateMeetingMessageDeliveryOptions", "graph.delegateMeetingMessageDeliveryOptions"),
        ("language", "graph.localeInfo"),
        ("timeFormat", "Edm.String"),
        ("timeZone", "Edm.String"),
        ("userPurpose", "graph.userPurpose"),
        ("workingHours", "graph.workingHours"),
    ),
    "mailTips": (
        ("automaticReplies", "graph.automaticRepliesMailTips"),
        ("customMailTip", "Edm.String"),
        ("deliveryRestricted", "Edm.Boolean"),
        ("emailAddress", "graph.emailAddress"),
        ("error", "graph.mailTipsError"),
        ("externalMemberCount", "Edm.Int32"),
        ("isModerated", "Edm.Boolean"),
        ("mailboxFull", "Edm.Boolean"),
        ("maxMessageSize", "Edm.Int32"),
        ("recipientScope", "graph.recipientScopeType"),
        ("recipientSuggestions", "Collection(graph.recipient)"),
        ("totalMemberCount", "Edm.Int32"),
    ),
    "mailTipsError": (("code", "Edm.String"), ("message", "Edm.String")),
    "mentionsPreview": (("isMentioned", "Edm.Boolean"),),
    "recipient": (("emailAddress", "graph.emailAddress"),),
    "sizeRange": (("maximumSize", "Edm.Int32"), ("minimumSize", "Edm.Int32")),
    "timeZoneInformation": (("alias", "Edm.String"), ("displayName", "Edm.String")),
    "uploadSession": (
        ("expirationDateTime", "Edm.DateTimeOffset"),
        ("nextExpectedRanges", "Collection(Edm.String)"),
        ("uploadUrl", "Edm.String"),
    ),
    "timeZoneBase": (("name", "Edm.String"),),
    "workingHours": (
        ("daysOfWeek", "Collection(graph.dayOfWeek)"),
        ("endTime", "Edm.TimeOfDay"),
        ("startTime", "Edm.TimeOfDay"),
        ("timeZone", "graph.timeZoneBase"),
    ),
}
_MESSAGE: Final = ("Message", "graph.message")
_COMMENT: Final = ("Comment", "Edm.String")
_RECIPIENTS: Final = ("ToRecipients", "Collection(graph.recipient)")
ACTIONS: Final[
    Mapping[str, tuple[Members, str]]
] = {  # what they take and, unless '', give; `=` what they are bound to
    "copy": ((("DestinationId", "Edm.String"),), "="),
    "createForward": ((_RECIPIENTS, _MESSAGE, _COMMENT), "="),
    "createReply": ((_MESSAGE, _COMMENT), "="),
    "createReplyAll": ((_MESSAGE, _COMMENT), "="),
    "createUploadSession": ((("AttachmentItem", "graph.attachmentItem"),), "graph.uploadSession"),
    "forward": ((_RECIPIENTS, _MESSAGE, _COMMENT), ""),
    "getMailTips": (
        (("EmailAddresses", "Collection(Edm.String)"), ("MailTipsOptions", "graph.mailTipsType")),
        "Collection(graph.mailTips)",
    ),
    "move": ((("DestinationId", "Edm.String"),), "="),
    "permanentDelete": ((), ""),
    "reauthorize": ((), ""),
    "reply": ((_MESSAGE, _COMMENT), ""),
    "replyAll": ((_MESSAGE, _COMMENT), ""),
    "send": ((), ""),
    "sendMail": ((_MESSAGE, ("SaveToSentItems", "Edm.Boolean")), ""),
    "translateExchangeIds": (
        (
            ("InputIds", "Collection(Edm.String)"),
            ("TargetIdType", "graph.exchangeIdFormat"),
            ("SourceIdType", "graph.exchangeIdFormat"),
        ),
        "Collection(graph.convertIdResult)",
    ),
    "unsubscribe": ((), ""),
    "updateAllMessagesReadState": ((("isRead", "Edm.Boolean"), ("suppressReceipts", "Edm.Boolean")), ""),
}
FUNCTIONS: Final[Mapping[str, str]] = {  # they take nothing, and give that; `=` what they are bound to
    "delta": "=",
    "supportedLanguages": "Collection(graph.localeInfo)",
    "supportedTimeZones": "Collection(graph.timeZoneInformation)",
}
