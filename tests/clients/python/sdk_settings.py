"""msgraph-sdk: categories, settings, rules, overrides and mail tips; print what there was in between.

python sdk_settings.py MAILBOX OTHER
"""

import asyncio
import json
import sys
from datetime import time

from connecting import client_of
from kiota_abstractions.api_error import APIError
from msgraph.generated.models.automatic_replies_setting import AutomaticRepliesSetting
from msgraph.generated.models.automatic_replies_status import AutomaticRepliesStatus
from msgraph.generated.models.category_color import CategoryColor
from msgraph.generated.models.day_of_week import DayOfWeek
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.external_audience_scope import ExternalAudienceScope
from msgraph.generated.models.importance import Importance
from msgraph.generated.models.inference_classification_override import InferenceClassificationOverride
from msgraph.generated.models.inference_classification_type import InferenceClassificationType
from msgraph.generated.models.locale_info import LocaleInfo
from msgraph.generated.models.mail_tips_type import MailTipsType
from msgraph.generated.models.mailbox_settings import MailboxSettings
from msgraph.generated.models.message_rule import MessageRule
from msgraph.generated.models.message_rule_actions import MessageRuleActions
from msgraph.generated.models.message_rule_predicates import MessageRulePredicates
from msgraph.generated.models.outlook_category import OutlookCategory
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.models.time_zone_base import TimeZoneBase
from msgraph.generated.models.working_hours import WorkingHours
from msgraph.generated.users.item.get_mail_tips.get_mail_tips_post_request_body import (
    GetMailTipsPostRequestBody,
)
from msgraph.generated.users.item.user_item_request_builder import UserItemRequestBuilder


async def refused(asking):
    """Status and code of what is not done."""
    try:
        await asking
    except APIError as error:
        return [error.response_status_code, error.error.code]
    return None


async def categories(user):
    all_ = user.outlook.master_categories
    made = await all_.post(OutlookCategory(display_name="Paid", color=CategoryColor.Preset3))
    twice = await refused(all_.post(OutlookCategory(display_name="paid")))
    one = all_.by_outlook_category_id(made.id)
    changed = await one.patch(OutlookCategory(color=CategoryColor.Preset7))

    async def listed():
        """Ours among those that others may have made."""
        return [each.display_name for each in (await all_.get()).value if each.display_name == "Paid"]

    before = await listed()
    await one.delete()
    return [made.color.value, twice, changed.color.value, before, await listed()]


async def settings(user, client, mailbox):
    await user.mailbox_settings.patch(
        MailboxSettings(
            time_zone="W. Europe Standard Time",
            language=LocaleInfo(locale="de-DE"),
            working_hours=WorkingHours(
                days_of_week=[DayOfWeek.Monday, DayOfWeek.Friday],
                start_time=time(7, 30),
                end_time=time(16, 0),
                time_zone=TimeZoneBase(name="W. Europe Standard Time"),
            ),
            automatic_replies_setting=AutomaticRepliesSetting(
                status=AutomaticRepliesStatus.AlwaysEnabled,
                external_audience=ExternalAudienceScope.All,
                internal_reply_message="Away",
            ),
        )
    )
    found = await user.mailbox_settings.get()
    parameters = UserItemRequestBuilder.UserItemRequestBuilderGetQueryParameters(
        select=["displayName", "mailboxSettings"]
    )
    configuration = UserItemRequestBuilder.UserItemRequestBuilderGetRequestConfiguration(
        query_parameters=parameters
    )
    person = await client.users.by_user_id(mailbox).get(request_configuration=configuration)
    return [
        found.time_zone,
        found.language.display_name,
        str(found.working_hours.start_time),
        [day.value for day in found.working_hours.days_of_week],
        found.automatic_replies_setting.status.value,
        person.mailbox_settings.time_zone,
    ]


async def rules(user, other):
    all_ = user.mail_folders.by_mail_folder_id("inbox").message_rules
    made = await all_.post(
        MessageRule(
            display_name="From the SDK",
            sequence=1,
            is_enabled=True,
            conditions=MessageRulePredicates(
                subject_contains=["never sent"],
                from_addresses=[Recipient(email_address=EmailAddress(address=other))],
                importance=Importance.High,
            ),
            actions=MessageRuleActions(
                move_to_folder="archive",
                forward_to=[Recipient(email_address=EmailAddress(address=other, name="Other"))],
                stop_processing_rules=True,
            ),
        )
    )
    one = all_.by_message_rule_id(made.id)
    await one.patch(MessageRule(is_enabled=False))
    found = await one.get()
    seen = [
        found.display_name,
        found.is_enabled,
        found.has_error,
        found.conditions.importance.value,
        found.conditions.from_addresses[0].email_address.address,
        found.actions.forward_to[0].email_address.name,
        len([each for each in (await all_.get()).value if each.id == made.id]),  # others may have made some
    ]
    await one.delete()
    return [*seen, await refused(one.get())]


async def overrides(user, other):
    all_ = user.inference_classification.overrides
    made = await all_.post(
        InferenceClassificationOverride(
            classify_as=InferenceClassificationType.Other,
            sender_email_address=EmailAddress(address=other, name="Other"),
        )
    )
    found = [each.classify_as.value for each in (await all_.get()).value if each.id == made.id]
    await all_.by_inference_classification_override_id(made.id).delete()
    return found


async def tips(user, mailbox):
    options = [MailTipsType.AutomaticReplies, MailTipsType.MaxMessageSize]
    body = GetMailTipsPostRequestBody(email_addresses=[mailbox], mail_tips_options=options)
    (found,) = (await user.get_mail_tips.post(body)).value
    return [found.automatic_replies.message, found.max_message_size > 0]


async def main(mailbox, other):
    client = client_of()
    user = client.users.by_user_id(mailbox)
    seen = {
        "categories": await categories(user),
        "settings": await settings(user, client, mailbox),
        "rules": await rules(user, other),
        "overrides": await overrides(user, other),
        "tips": await tips(user, mailbox),
        "languages": len((await user.outlook.supported_languages.get()).value) > 10,
        "zones": len((await user.outlook.supported_time_zones.get()).value) > 100,
        "iana": len((await user.outlook.supported_time_zones_with_time_zone_standard("Iana").get()).value)
        > 100,
    }
    off = AutomaticRepliesSetting(status=AutomaticRepliesStatus.Disabled)
    await user.mailbox_settings.patch(MailboxSettings(automatic_replies_setting=off))
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
