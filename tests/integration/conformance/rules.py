"""The rules that the cases check: a section of RFC 9110, 9112 or 6455, a published class of attack, or a promise of our own.

A key is the section and a word. `*` at the start of a text: we are stricter than the section asks, and refuse where it
allows repair.
"""

_TEXT = """
9110-2.5-minor-version A higher minor version is treated as the highest that is known
9110-3.3-stateless Each request of a connection is decided for itself
9110-4.2.3-normal-form One normal form of a target decides the route, and it is what goes upstream
9110-5.1-names Names of fields are compared without case, and unknown ones go through
9110-5.3-order The order of fields does not change
9110-5.3-set-cookie Several Set-Cookie fields stay apart
9110-5.4-limits A head larger than the limits is answered, not cut
9110-5.5-values Values go through as they are; an empty one is one
9110-6.2-own-version Forwarded messages carry our own version
9110-6.5-trailers Trailers go through, apart from the head
9110-6.5.1-forbidden-trailers Trailers that frame, route, authenticate or control are cut
9110-6.6.1-date A Date is left alone, a missing one is added
9110-6.6.2-trailer Trailer is kept where the trailers are
9110-7.5-early An answer may come, and go on, while the request is still sent
9110-7.6.1-connection Connection, what it names, and the known fields of one hop do not go on
9110-7.6.1-end-to-end *Connection cannot take away fields whose meaning is known
9110-7.6.2-max-forwards Max-Forwards is counted down for OPTIONS, and 0 is answered here
9110-7.6.3-via Via is added to what is there, with the version received
9110-7.7-content-fields Fields about the content are left alone
9110-7.7-target A target in normal form is not changed
9110-7.8-upgrade Upgrade is for one hop, and ignored in HTTP/1.0
9110-8.6-length-of-304 The length that a 304 tells goes through
9110-8.6-no-length-in-204 A 204 and a 1xx go on without a length
9110-8.6-overflow Lengths do not overflow
9110-9.1-method Methods are case-sensitive, and unknown ones go through
9110-9.3.2-head An answer to HEAD has no body
9110-9.3.6-connect CONNECT is refused
9110-9.3.8-trace TRACE is refused
9110-10.1.1-expect 100-continue is forwarded and waited for; other expectations are 417
9110-10.1.4-te Of TE, only trailers goes on, and it is named in Connection
9110-13.2.1-preconditions Conditions on a request are not judged, and go on
9110-15-status Every status from 200 to 599 goes through
9110-15.2-interim Interim responses go through, a bounded number, and never to HTTP/1.0
9110-15.3.6-205 A 205 needs no body
9110-15.5.9-timeout A request that does not come in time is 408
9110-15.5.14-too-large A body over the limit is 413
9110-15.6.5-timeout An upstream that does not answer in time is 504
9112-2.2-bare-cr *A CR without LF is refused
9112-2.2-bare-lf *An LF without CR is refused
9112-2.2-empty-line An empty line before a request is passed over
9112-2.2-leading-space Whitespace before the first field is refused
9112-2.2-not-http What is not HTTP is answered 400 and closed
9112-2.2-octets Messages are octets: how they are cut into reads does not matter
9112-2.3-version Other versions are refused
9112-3-long-method A method longer than any known is 501
9112-3-long-target A target over the limit is 414
9112-3-request-line *A request line is exactly its grammar
9112-3.2-bad-target A target that is not one is 400
9112-3.2-host A Host that is not one is 400
9112-3.2-host-needed HTTP/1.1 without Host, or with several, is 400
9112-3.2.1-empty-path An empty path becomes /
9112-3.2.2-absolute-form The absolute form is accepted
9112-3.2.2-host-agrees *A target and a Host that disagree are 400
9112-3.2.3-authority-form The authority form is for CONNECT only
9112-3.2.4-asterisk-form The asterisk is for OPTIONS only
9112-4-reason A reason may be anything, or nothing
9112-4-status-line *A status line is exactly its grammar
9112-5-field-line *A field line is exactly its grammar
9112-5.1-whitespace Whitespace around a value means nothing
9112-5.2-fold A folded line is refused
9112-6.1-chunked A chunked body goes through chunked
9112-6.1-chunked-once Chunked is applied once
9112-6.1-no-coding-in-1.0 No transfer coding from HTTP/1.0
9112-6.1-no-coding-in-204 No transfer coding in 1xx and 204
9112-6.1-unknown-coding A coding that is not understood is 501
9112-6.2-length A length delimits a body
9112-6.3-both *Content-Length beside Transfer-Encoding is refused
9112-6.3-invalid-length *A length that is not one number is refused
9112-6.3-no-body Messages without a body have none
9112-6.3-not-chunked A coded request whose last coding is not chunked is 400
9112-6.3-response-framing *A response framed ambiguously is 502
9112-6.3-until-close Without framing, a response ends with the connection
9112-7-names Names of codings are compared without case
9112-7.1-chunked *Chunks are exactly their grammar
9112-7.1.1-extensions Chunk extensions are read over, and do not go on
9112-7.1.1-extensions-bounded Chunk extensions are bounded
9112-8-incomplete A message that is cut never looks whole
9112-9.2-unsolicited Bytes behind a response answer nobody
9112-9.3-early A connection whose request body was not read is not used again
9112-9.3-persistence Connections persist as version and Connection say
9112-9.3.1-retry A request that may have had an effect is not sent twice
9112-9.3.2-pipelining Pipelined requests are answered in their order
9112-9.6-close After close, nothing more is processed
9112-9.6-half-close Half a close of the client ends what has no answer yet, and nothing else
6455-4.1-agreement A 101 that does not agree to exactly this offer opens nothing
6455-4.2-offer What is not exactly an offer goes on as a plain request
6455-5-tunnel Once agreed, bytes go both ways as they are
attack-0-cl The body is ignored by one side (0.CL)
attack-bytes-after-local-answer A body behind an answer of our own
attack-chunk-extension Line ends inside chunk extensions
attack-chunk-size Chunk sizes that overflow or are read in two ways
attack-cl Lengths that are read in two ways
attack-cl-0 A length that one side ignores (CL.0)
attack-cl-cl Several lengths (CL.CL)
attack-cl-te Length and coding (CL.TE, TE.CL)
attack-endless-extensions Chunk extensions without end
attack-endless-head Heads without end
attack-endless-interim Interim responses without end
attack-endless-trailers Trailers without end
attack-expect Expect that one side does not understand
attack-forged-fields Fields that only a proxy may set
attack-h2c Upgrade to h2c around the proxy
attack-header-injection Fields inside fields
attack-hop-by-hop-abuse Connection that names what it must not
attack-host-confusion Two readings of who is asked
attack-http-0.9 Requests without a version
attack-path-confusion Two readings of a path
attack-response-splitting A response that becomes two
attack-te-0 A coded body that one side ignores (TE.0)
attack-te-1.0 A coding in HTTP/1.0
attack-te-obfuscated A coding that one side does not see
attack-te-te Several codings (TE.TE)
attack-trailer-merge Trailers that become fields
attack-underscore Names that CGI reads as others
attack-websocket A tunnel that only the proxy believes in
canaryd-forwarded X-Forwarded-*, X-Request-Id and cohort are ours, unless the peer is trusted
"""

RULES = dict(line.split(" ", 1) for line in _TEXT.strip().splitlines())
