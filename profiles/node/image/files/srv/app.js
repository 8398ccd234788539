// A small HTTP service: a page, a file, a digest from the thread pool, a child process.
const { createServer } = require('node:http');
const { createReadStream } = require('node:fs');
const { execFile } = require('node:child_process');
const { pbkdf2 } = require('node:crypto');

const routes = {
  '/': (_, answer) => answer.end('hello\n'),
  '/file': (_, answer) => createReadStream(__filename).pipe(answer),
  '/digest': (_, answer) =>
    pbkdf2('secret', 'salt', 1000, 32, 'sha256', (error, key) => answer.end(`${key?.toString('hex')}\n`)),
  '/child': (_, answer) => execFile('id', ['-u'], (error, stdout) => answer.end(stdout)),
};

createServer((request, answer) => {
  const route = routes[request.url];
  if (route) return route(request, answer);
  answer.statusCode = 404;
  return answer.end();
}).listen(8080, '127.0.0.1');

process.on('SIGTERM', () => process.exit(0));
