"""A function on the Runtime API, with the standard library alone.

The message {"action":"post"} is answered through @connections, {"action":"fail"} fails, and every other comes back over
its route response.
"""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import urllib.parse


def handle(event):
    context = event["requestContext"]
    if context["routeKey"] == "$connect":
        return {"statusCode": 200}
    message = json.loads(event["body"])
    if message["action"] == "fail":
        raise ValueError("asked to fail")
    message["language"] = "python"
    body = json.dumps(message, ensure_ascii=False)
    if context["routeKey"] == "post":
        status = post(context["connectionId"], body.encode())
        return {"statusCode": status}
    return {"statusCode": 200, "body": body}


def post(connection_id, data):
    """POST @connections/{id}, signed with Signature Version 4; returns the status."""
    endpoint = urllib.parse.urlsplit(os.environ["MANAGEMENT_ENDPOINT"])
    path = f"{endpoint.path}/%40connections/{urllib.parse.quote(connection_id, safe='')}"
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "host": endpoint.netloc,
        "x-amz-date": now,
        "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"],
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    # The path is encoded once more for the signature.
    request = "\n".join(
        ["POST", urllib.parse.quote(path), "", lines, names, hashlib.sha256(data).hexdigest()]
    )
    scope = [now[:8], os.environ["AWS_REGION"], "execute-api", "aws4_request"]
    to_sign = "\n".join(
        ["AWS4-HMAC-SHA256", now, "/".join(scope), hashlib.sha256(request.encode()).hexdigest()]
    )
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in [*scope, to_sign]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{'/'.join(scope)}, "
        f"SignedHeaders={names}, Signature={key.hex()}"
    )
    connection = http.client.HTTPConnection(endpoint.netloc, timeout=10)
    connection.request("POST", path, data, headers)
    return connection.getresponse().status


def main():
    runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

    def call(method, path, value=None):
        runtime.request(method, f"/2018-06-01/runtime/invocation/{path}", value and json.dumps(value))
        answer = runtime.getresponse()
        return answer.headers, answer.read()

    while True:
        headers, event = call("GET", "next")
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        try:
            call("POST", f"{request_id}/response", handle(json.loads(event)))
        except Exception as error:
            fault = {"errorType": type(error).__name__, "errorMessage": str(error)}
            call("POST", f"{request_id}/error", fault)


main()
