"""SIP phones and trunks: RFC 3261 without I/O inside, asyncio at the edge.

From the wire inwards: `transport` (sockets), `framing` (messages in a stream), `message` and
`headers` (text to values), `transaction` (s. 17), `useragent` (which transaction, dialog and call
a message belongs to), `uas` (s. 8.2), `dialog` (s. 12), `call` (s. 13 to 15, offer and answer),
`bridge` (calls to the conference). Only `transport` and `bridge` touch asyncio.

Not here yet: registrar, authentication, TLS and WebSocket, DNS, calls that we place.
"""
