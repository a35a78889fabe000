// What the peers in Node share: the answers to the benchmark program, see support/peer.cpp.
'use strict';

const readline = require('readline');

const now = () => process.hrtime.bigint();

const expect = (good) => {
  if (!good) throw new Error('the program failed, or not all came');
};

// Answers requests, one after another: `questions` are functions of a program, a count and a width, which give
// the time that it took and the 99th percentile; `become` makes the process a larger one.
function serve(questions, become = () => {}) {
  const answer = async (line) => {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === 'hello') return `ok Node ${process.version.slice(1)};${Object.keys(questions).join(',')}`;
    if (word === 'host') {
      become(Number(rest[0]), Number(rest[1]));
      return 'ok 0';
    }
    const [elapsed, tail] = await questions[word](rest[0], Number(rest[1]), Number(rest[2]));
    return `ok ${elapsed} ${tail}`;
  };
  let busy = Promise.resolve();
  const requests = readline.createInterface({ input: process.stdin });
  requests.on('line', (line) => {
    busy = busy.then(async () => {
      let text;
      try {
        text = await answer(line);
      } catch (error) {
        text = `error ${String(error.message).replace(/\s+/g, ' ')}`;
      }
      process.stdout.write(text + '\n');
    });
  });
  requests.on('close', () => busy.then(() => process.exit(0))); // workers would keep it
}

module.exports = { serve, now, expect };
