"""msgraph-sdk: a day's work: drafts, files, pages, rounds of changes, answers, a batch, categories, rules.

python sdk_day.py SUBJECT SMALL-FILE LARGE-FILE
"""

import asyncio
import json
import sys
from pathlib import Path

from connecting import client_of, env
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.models.attachment_item import AttachmentItem
from msgraph.generated.models.attachment_type import AttachmentType
from msgraph.generated.models.body_type import BodyType
from msgraph.generated.models.category_color import CategoryColor
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.file_attachment import FileAttachment
from msgraph.generated.models.item_body import ItemBody
from msgraph.generated.models.mail_folder import MailFolder
from msgraph.generated.models.message import Message
from msgraph.generated.models.message_rule import MessageRule
from msgraph.generated.models.message_rule_actions import MessageRuleActions
from msgraph.generated.models.message_rule_predicates import MessageRulePredicates
from msgraph.generated.models.outlook_category import OutlookCategory
from msgraph.generated.models.recipient import Recipient
from msgraph.generated.users.item.mail_folders.item.messages.messages_request_builder import (
    MessagesRequestBuilder,
)
from msgraph.generated.users.item.messages.item.attachments.create_upload_session import (
    create_upload_session_post_request_body as upload,
)
from msgraph.generated.users.item.messages.item.create_forward import (
    create_forward_post_request_body as forward,
)
from msgraph.generated.users.item.messages.item.create_reply import create_reply_post_request_body as reply
from msgraph.generated.users.item.messages.item.move.move_post_request_body import MovePostRequestBody
from msgraph.generated.users.item.send_mail.send_mail_post_request_body import SendMailPostRequestBody
from msgraph_core.requests.batch_request_builder import BatchRequestBuilder
from msgraph_core.requests.batch_request_content import BatchRequestContent
from msgraph_core.requests.batch_request_item import BatchRequestItem
from msgraph_core.tasks.large_file_upload import LargeFileUploadTask
from msgraph_core.tasks.page_iterator import PageIterator

Query = MessagesRequestBuilder.MessagesRequestBuilderGetQueryParameters
client = client_of()
user = client.users.by_user_id(env["MAILBOX"])
ZOE = Recipient(email_address=EmailAddress(address="zoe@remote.example", name="Zoë Müller"))


async def attach(message, small, large):
    attachments = user.messages.by_message_id(message).attachments
    await attachments.post(FileAttachment(name=small.name, content_bytes=small.read_bytes()))
    item = AttachmentItem(attachment_type=AttachmentType.File, name=large.name, size=large.stat().st_size)
    body = upload.CreateUploadSessionPostRequestBody(attachment_item=item)
    session = await attachments.create_upload_session.post(body)
    with large.open("rb") as stream:
        await LargeFileUploadTask(session, client.request_adapter, stream).upload()


async def pages(folder):
    """All subjects, two to a page."""
    query = Query(top=2, orderby=["subject desc"], select=["subject"])
    first = await folder.messages.get(RequestConfiguration(query_parameters=query))
    subjects = []
    await PageIterator(first, client.request_adapter).iterate(
        lambda message: subjects.append(message.subject) or True
    )
    return subjects


async def changes(folder, link=None):
    """A round: subjects of what is there, how much is gone, and the link of the next round."""
    size = RequestConfiguration()
    size.headers.add("Prefer", "odata.maxpagesize=2")
    delta = folder.messages.delta
    page = await (delta.with_url(link) if link else delta).get(size)
    entries = list(page.value)
    while page.odata_next_link:
        page = await delta.with_url(page.odata_next_link).get(size)
        entries += page.value
    gone = [each for each in entries if "@removed" in each.additional_data]
    there = sorted(each.subject for each in entries if each not in gone)
    return there, len(gone), page.odata_delta_link


async def in_one_batch(subject, moved, marked):
    """A message is marked, then another one moved, then a letter sent: each after the one before."""
    here = user.messages.by_message_id
    note = Message(subject=f"{subject} from a batch", to_recipients=[ZOE])
    letter = SendMailPostRequestBody(message=note, save_to_sent_items=True)
    asked = {
        "mark": here(marked).to_patch_request_information(
            Message(is_read=False, categories=[f"{subject} red"])
        ),
        "move": here(moved).move.to_post_request_information(MovePostRequestBody(destination_id="archive")),
        "send": user.send_mail.to_post_request_information(letter),
    }
    items = {}
    before = None
    for name, information in asked.items():
        information.path_parameters["baseurl"] = client.request_adapter.base_url
        item = BatchRequestItem(information, id=name, depends_on=[before] if before else None)
        item.headers = {key: ", ".join(values) for key, values in information.headers.get_all().items()}
        items[name] = before = item
    answer = await BatchRequestBuilder(client.request_adapter).post(BatchRequestContent(items))
    return answer.get_response_status_codes()


async def main(subject, small, large):
    category = await user.outlook.master_categories.post(
        OutlookCategory(display_name=f"{subject} red", color=CategoryColor.Preset0)
    )
    await user.outlook.master_categories.by_outlook_category_id(category.id).patch(
        OutlookCategory(color=CategoryColor.Preset3)
    )
    top = await user.mail_folders.post(MailFolder(display_name=f"{subject} top"))
    rule = MessageRule(
        display_name=f"{subject} rule",
        sequence=1,
        is_enabled=True,
        conditions=MessageRulePredicates(subject_contains=[f"{subject} self"]),
        actions=MessageRuleActions(move_to_folder=top.id, mark_as_read=True),
    )
    made = await user.mail_folders.by_mail_folder_id("inbox").message_rules.post(rule)
    folder = user.mail_folders.by_mail_folder_id(top.id)
    drafts = []
    for number in range(7):
        body = ItemBody(content_type=BodyType.Html, content=f"<p>Nummer <b>{number}</b></p>")
        draft = Message(subject=f"{subject} {number}", body=body, to_recipients=[ZOE])
        drafts.append(await folder.messages.post(draft))
    first, _, link = await changes(folder)
    found = await pages(folder)
    await attach(drafts[0].id, small, large)
    await user.messages.by_message_id(drafts[0].id).patch(Message(subject=f"{subject} with files"))
    statuses = await in_one_batch(subject, drafts[1].id, drafts[2].id)
    await user.messages.by_message_id(drafts[3].id).delete()
    there, gone, link = await changes(folder, link)
    await user.messages.by_message_id(drafts[0].id).send.post()
    query = Query(filter=f"subject eq '{subject} with files'")
    sent = user.mail_folders.by_mail_folder_id("sentitems")
    (letter,) = (await sent.messages.get(RequestConfiguration(query_parameters=query))).value
    original = user.messages.by_message_id(letter.id)
    answer = await original.create_reply.post(reply.CreateReplyPostRequestBody(comment="Danke."))
    onward = forward.CreateForwardPostRequestBody(comment="Siehe unten.", to_recipients=[ZOE])
    passed = await original.create_forward.post(onward)
    await user.messages.by_message_id(passed.id).send.post()
    last = await changes(folder, link)
    print(
        json.dumps(
            {
                "first": first,
                "pages": found,
                "statuses": statuses,
                "then": [there, gone],
                "gone_at_last": last[1],
                "answer": [answer.subject, answer.is_draft, answer.conversation_id == letter.conversation_id],
                "rule": made.id,
            }
        )
    )


asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
