// A function on the Runtime API, with Node's own modules alone.
//
// The message {"action":"post"} is answered through @connections, {"action":"fail"} fails, and every other comes back
// over its route response.

import { createHash, createHmac } from "node:crypto";
import http from "node:http";

const { env } = process;

async function handle(event) {
  const { routeKey, connectionId } = event.requestContext;
  if (routeKey === "$connect") return { statusCode: 200 };
  const message = JSON.parse(event.body);
  if (message.action === "fail") throw new RangeError("asked to fail");
  const body = JSON.stringify({ ...message, language: "javascript" });
  return routeKey === "post" ? { statusCode: await post(connectionId, body) } : { statusCode: 200, body };
}

// POST @connections/{id}, signed with Signature Version 4; resolves to the status.
async function post(connectionId, body) {
  const endpoint = new URL(env.MANAGEMENT_ENDPOINT);
  const path = `${endpoint.pathname}/%40connections/${encodeURIComponent(connectionId)}`;
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const headers = { host: endpoint.host, "x-amz-date": now, "x-amz-security-token": env.AWS_SESSION_TOKEN };
  const names = Object.keys(headers).join(";");
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`).join("");
  const hash = (text) => createHash("sha256").update(text).digest("hex");
  // The path is encoded once more for the signature.
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  const request = ["POST", encoded, "", lines, names, hash(body)].join("\n");
  const scope = [now.slice(0, 8), env.AWS_REGION, "execute-api", "aws4_request"];
  const toSign = ["AWS4-HMAC-SHA256", now, scope.join("/"), hash(request)].join("\n");
  const digest = (key, part) => createHmac("sha256", key).update(part).digest();
  const signature = [...scope, toSign].reduce(digest, `AWS4${env.AWS_SECRET_ACCESS_KEY}`).toString("hex");
  const credential = [env.AWS_ACCESS_KEY_ID, ...scope].join("/");
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`;
  return (await call("POST", `http://${endpoint.host}${path}`, body, headers)).status;
}

function call(method, url, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () =>
        resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const runtime = `http://${env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation`;
for (;;) {
  const next = await call("GET", `${runtime}/next`);
  const id = next.headers["lambda-runtime-aws-request-id"];
  try {
    const result = await handle(JSON.parse(next.body));
    await call("POST", `${runtime}/${id}/response`, JSON.stringify(result));
  } catch (error) {
    const fault = { errorType: error.name, errorMessage: error.message };
    await call("POST", `${runtime}/${id}/error`, JSON.stringify(fault));
  }
}
