"""msgraph-sdk: send a file of MIME as it is, base64 in a text/plain body.

python sdk_mime.py FILE
"""

import asyncio
import base64
import json
import sys
from pathlib import Path

from connecting import client_of, env
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from msgraph.generated.models.o_data_errors.o_data_error import ODataError


async def main(file):
    client = client_of()
    request = RequestInformation(
        Method.POST, "{+baseurl}/users/{user%2Did}/sendMail", {"user%2Did": env["MAILBOX"]}
    )
    request.set_stream_content(base64.b64encode(file.read_bytes()), "text/plain")
    await client.request_adapter.send_no_response_content_async(request, {"XXX": ODataError})
    print(json.dumps("done"))


asyncio.run(main(Path(sys.argv[1])))
