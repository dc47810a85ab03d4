"""SIP phones and trunks: RFC 3261 without I/O inside, asyncio at the edge."""
