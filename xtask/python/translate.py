"""Prints the templates that are named, as SAM's translator hands them to CloudFormation: {"name": template, ...}."""

import json
import logging
import os
import sys

# The translator asks boto3 for a region, and nothing else.
os.environ["AWS_DEFAULT_REGION"] = "us-east-1"

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# It warns of metrics of its own that nobody has asked for.
logging.getLogger("samtranslator").setLevel(logging.ERROR)


class NoManagedPolicies:
    """The translator asks for AWS's own policies by name; it brings the ones that it needs."""

    def load(self):
        return {}


def package(template):
    """What `sam package` does first: code that lies in a folder is somewhere in S3."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            if isinstance(properties.get("CodeUri"), str):
                properties["CodeUri"] = "s3://bucket/key"


translated = {}
faults = []
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        template = yaml_parse(file.read())
    if "CodeUri" in template.get("Globals", {}).get("Function", {}):
        # It would upload the folder of the template instead, and the function would not start.
        faults.append(f"{name}: `aws cloudformation package` does not see the CodeUri in Globals; move it to each function")
        continue
    package(template)
    try:
        translated[name] = transform(template, {}, NoManagedPolicies())
    except InvalidDocumentException as error:
        faults += [f"{name}: {cause.message}" for cause in error.causes]
for fault in faults:
    print(fault, file=sys.stderr)
if faults:
    sys.exit(1)
json.dump(translated, sys.stdout)
