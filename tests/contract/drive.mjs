// Makes one call with Northflank's official client and prints what it gave, as JSON.
// Takes, as JSON on stdin: host, token, path (of the call in the client, such as "list.projects"),
// mode ("all" pages, one page after the other by "next", or one "call"), request, and throws
// (whether the client is to throw on an error).
import { ApiClient, ApiClientInMemoryContextProvider } from '@northflank/js-client';
import { text } from 'node:stream/consumers';

const { host, token, path, mode, request, throws } = JSON.parse(await text(process.stdin));

const context = new ApiClientInMemoryContextProvider();
await context.addContext({ name: 'simulator', host, token });
const client = new ApiClient(context, { throwErrorOnHttpErrorCode: throws });
const call = path.split('.').reduce((found, name) => found[name], client);

async function pages() {
  const found = [await call(request)];
  while (found.at(-1).pagination?.hasNextPage) {
    found.push(await found.at(-1).pagination.getNextPage());
  }
  return found;
}

async function answer() {
  if (mode === 'next') {
    return (await pages()).map(({ data, pagination }) => ({ data, pagination }));
  }
  const { data, error, rawResponse } = await (mode === 'all' ? call.all : call)(request);
  return { data, error, status: rawResponse.status };
}

try {
  console.log(JSON.stringify(await answer()));
} catch (error) {
  const { name, message, status, id, details } = error;
  console.log(JSON.stringify({ thrown: { name, message, status, id, details } }));
}
