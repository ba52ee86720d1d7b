"""Renders templates with jinja2, set up as Hugging Face's apply_chat_template does it.

Reads lines {"template": text, "vars": {...}} and writes for each one {"text": ...} or
{"error": ...}.  With --version, prints jinja2's version instead.
"""
import datetime
import json
import sys

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(Extension):
    """{% generation %}...{% endgeneration %}: its text in a scope of its own."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        call = self.call_method("_pass")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _pass(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def strftime_now(form):
    return datetime.datetime(2024, 7, 26, 9, 5, 3).strftime(form)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = strftime_now
    return env


def main():
    if "--version" in sys.argv:
        print(jinja2.__version__)
        return
    env = environment()
    for line in sys.stdin.buffer:
        case = json.loads(line.decode("utf-8"))
        try:
            answer = {"text": env.from_string(case["template"]).render(**case["vars"])}
        except Exception as problem:  # whatever it is, the template failed
            answer = {"error": type(problem).__name__ + ": " + str(problem)}
        sys.stdout.buffer.write(json.dumps(answer, ensure_ascii=False)
                                .encode("utf-8", "surrogatepass") + b"\n")


main()
