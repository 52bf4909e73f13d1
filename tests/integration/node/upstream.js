// An upstream on node's http server and the ws package. Prints its port as the first line, then one
// line of JSON for each connection that is closed before its response is done, and for each
// WebSocket that ends.
'use strict';
const crypto = require('node:crypto');
const http = require('node:http');
const { WebSocketServer } = require('ws');

const name = process.argv[2];
const say = (event) => process.stdout.write(JSON.stringify(event) + '\n');

function describe(request, body) {
  return JSON.stringify({
    name,
    method: request.method,
    url: request.url,
    headers: request.headers,
    trailers: request.trailers,
    bytes: body.length,
    sha256: crypto.createHash('sha256').update(body).digest('hex'),
  });
}

const pages = {
  // What came, as JSON.
  '/echo': (request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      response.setHeader('Content-Type', 'application/json');
      response.end(describe(request, Buffer.concat(pieces)));
    });
  },
  // The body, as it comes.
  '/mirror': (request, response) => request.pipe(response),
  '/chunks': (request, response) => {
    // node refuses to announce trailers where there is no body.
    if (request.method === 'HEAD') return response.end();
    response.setHeader('Trailer', 'X-Checksum');
    for (let i = 0; i < 100; ++i) response.write(`piece ${i}\n`);
    response.addTrailers({ 'X-Checksum': '100' });
    return response.end();
  },
  '/early': (request, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' });
    response.end('late');
  },
  '/empty': (request, response) => {
    response.statusCode = 204;
    response.end();
  },
  '/unchanged': (request, response) => {
    response.writeHead(304, { ETag: '"a"' });
    response.end();
  },
  '/moved': (request, response) => {
    response.writeHead(302, { Location: '/echo' });
    response.end();
  },
  // Ends in the middle of the body.
  '/cut': (request, response) => {
    response.writeHead(200, { 'Content-Length': 1000 });
    response.write('half', () => response.destroy());
  },
  '/cut-chunks': (request, response) => {
    response.write('half', () => response.destroy());
  },
  // Answers never; says when it is left.
  '/wait': (request, response) => {
    say({ waiting: request.url });
    response.on('close', () => say({ left: request.url, finished: response.writableFinished }));
  },
};

const server = http.createServer((request, response) => {
  const page = pages[request.url.split('?')[0]];
  if (page) return page(request, response);
  response.statusCode = 404;
  return response.end();
});
server.keepAliveTimeout = 60_000;

const sockets = new WebSocketServer({
  server,
  perMessageDeflate: { threshold: 0 },
  handleProtocols: (offered) => (offered.has('chat') ? 'chat' : false),
});
sockets.on('connection', (socket, request) => {
  socket.on('message', (data, binary) => {
    if (data.toString() === 'close me') return socket.close(4001, 'as you wish');
    if (data.toString() === 'cut me') return socket.terminate();
    return socket.send(data, { binary });
  });
  socket.on('close', (code, reason) => say({ ended: code, reason: reason.toString() }));
  socket.send(`${name} ${request.headers['x-canaryd-cohort']}`);
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0)); // With the test that started it.
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
