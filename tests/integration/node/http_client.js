// node's own HTTP client: http_client.js CASE ORIGIN. Prints what it saw as one line of JSON.
'use strict';
const crypto = require('node:crypto');
const http = require('node:http');

const [, , name, origin] = process.argv;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

// One exchange; `body` may be text, bytes, or a function that writes to the request.
function exchange(path, { method = 'GET', headers = {}, body, signal } = {}) {
  return new Promise((resolve) => {
    const seen = { interim: [], continued: false };
    const request = http.request(origin + path, { agent, method, headers, signal });
    request.on('information', (info) => seen.interim.push([info.statusCode, info.headers.link]));
    request.on('continue', () => { seen.continued = true; });
    request.on('error', (error) => resolve({ ...seen, error: error.code }));
    request.on('response', (response) => {
      const pieces = [];
      Object.assign(seen, { status: response.statusCode, headers: response.headers });
      response.on('data', (piece) => pieces.push(piece));
      response.on('error', (error) => resolve({ ...seen, error: error.code }));
      response.on('end', () => {
        const text = Buffer.concat(pieces);
        resolve({
          ...seen,
          text: text.toString(),
          bytes: text.length,
          sha256: crypto.createHash('sha256').update(text).digest('hex'),
          trailers: response.trailers,
          complete: response.complete,
          reused: request.reusedSocket,
        });
      });
    });
    if (typeof body === 'function') body(request);
    else request.end(body);
  });
}

const cases = {
  async keepAlive() {
    const seen = [];
    for (let i = 0; i < 50; ++i) seen.push(await exchange(`/echo?${i}`));
    return { statuses: seen.map((one) => one.status), reused: seen.filter((one) => one.reused).length };
  },
  async upload() {
    const body = crypto.randomBytes(3_000_000);
    const sha256 = crypto.createHash('sha256').update(body).digest('hex');
    const sized = await exchange('/echo', { method: 'POST', body, headers: { 'Content-Length': body.length } });
    const chunked = await exchange('/echo', {
      method: 'PUT',
      headers: { Trailer: 'X-Sum' },
      body: (request) => {
        for (let at = 0; at < body.length; at += 100_000) request.write(body.subarray(at, at + 100_000));
        request.addTrailers({ 'X-Sum': sha256 });
        request.end();
      },
    });
    const mirrored = await exchange('/mirror', { method: 'POST', body });
    return { sha256, sized: JSON.parse(sized.text), chunked: JSON.parse(chunked.text), mirrored: mirrored.sha256 };
  },
  async expect() {
    return exchange('/echo', {
      method: 'POST',
      headers: { Expect: '100-continue', 'Content-Length': 5 },
      body: (request) => request.on('continue', () => request.end('hello')),
    });
  },
  async responses() {
    return {
      chunks: await exchange('/chunks'),
      early: await exchange('/early'),
      empty: await exchange('/empty'),
      unchanged: await exchange('/unchanged'),
      head: await exchange('/chunks', { method: 'HEAD' }),
    };
  },
  async cut() {
    return { sized: await exchange('/cut'), chunked: await exchange('/cut-chunks'), after: await exchange('/echo') };
  },
  // Leaves while the upstream thinks, when the test says so.
  async leave() {
    const abort = new AbortController();
    process.stdin.once('data', () => abort.abort());
    const left = await exchange('/wait', { signal: abort.signal });
    const after = await exchange('/echo');
    process.stdin.destroy();
    return { left, after };
  },
};

cases[name]().then((seen) => {
  process.stdout.write(JSON.stringify(seen) + '\n');
  agent.destroy();
});
