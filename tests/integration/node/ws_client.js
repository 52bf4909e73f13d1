// The ws package's client: ws_client.js CASE ORIGIN USER. Prints what it saw as lines of JSON.
'use strict';
const crypto = require('node:crypto');
const WebSocket = require('ws');

const [, , name, origin, user] = process.argv;
const say = (event) => process.stdout.write(JSON.stringify(event) + '\n');

function connect(protocols = [], options = {}) {
  const socket = new WebSocket(origin.replace('http', 'ws') + '/socket', protocols, {
    headers: { 'X-User-Id': user },
    ...options,
  });
  const heard = [];
  const waiting = [];
  socket.on('message', (data, binary) => {
    const message = binary ? data : data.toString();
    if (waiting.length > 0) waiting.shift()(message);
    else heard.push(message);
  });
  socket.hear = () => (heard.length > 0 ? heard.shift() : new Promise((resolve) => waiting.push(resolve)));
  socket.ended = new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve([code, reason.toString()]));
  });
  return socket;
}

const cases = {
  async talk() {
    const socket = connect(['chat', 'other']);
    const seen = { hello: await socket.hear(), protocol: socket.protocol, extensions: socket.extensions };
    socket.send('text');
    seen.text = await socket.hear();
    const big = crypto.randomBytes(2_000_000);
    socket.send(big);
    seen.big = big.equals(await socket.hear());
    for (let i = 0; i < 10; ++i) socket.send(`part ${i} `, { fin: i === 9 });
    seen.parts = await socket.hear();
    const pong = new Promise((resolve) => socket.once('pong', (data) => resolve(data.toString())));
    socket.ping('are you there');
    seen.pong = await pong;
    socket.close(4000, 'goodbye');
    seen.ended = await socket.ended;
    say(seen);
  },
  async plain() {
    const socket = connect([], { perMessageDeflate: false });
    const seen = { hello: await socket.hear(), extensions: socket.extensions };
    socket.send('close me');
    seen.ended = await socket.ended;
    say(seen);
  },
  async cut() {
    const socket = connect();
    await socket.hear();
    socket.on('error', () => {});
    socket.send('cut me');
    say({ ended: await socket.ended });
  },
  // Stays until it is told to go.
  async stay() {
    const socket = connect();
    say({ hello: await socket.hear() });
    say({ ended: await socket.ended });
  },
};

cases[name]();
