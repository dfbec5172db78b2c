"""Who a message is really from: SPF, DKIM, DMARC, and what is recorded of them."""
