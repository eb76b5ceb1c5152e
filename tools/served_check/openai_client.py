"""OpenAI's own client against the mock server of the tests."""

import base64
import sys

from openai import BadRequestError, NotFoundError, OpenAI

client = OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", max_retries=0)

audio = {"type": "input_audio", "input_audio": {"data": base64.b64encode(b"RIFF").decode(), "format": "wav"}}
image = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64," + base64.b64encode(b"x").decode()}}
reply = client.chat.completions.create(
    model="mock-omni",
    messages=[
        {"role": "system", "content": "You answer with one letter."},
        {"role": "user", "content": [image, audio, {"type": "text", "text": "Which?"}]},
    ],
    max_tokens=16,
    logprobs=True,
    top_logprobs=20,
    seed=7,
)
choice = reply.choices[0]
assert choice.finish_reason == "stop", choice
assert choice.message.content.split("\n")[0] in "ABCDE", choice.message
assert choice.message.refusal is None
assert choice.logprobs.content[0].top_logprobs[0].logprob == -0.5, choice.logprobs
assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
assert reply.usage.prompt_tokens_details.audio_tokens == 40
assert reply.id and reply.model == "mock-omni-v1"

held = client.chat.completions.create(
    model="mock-omni",
    messages=[{"role": "user", "content": "?"}, {"role": "user", "content": "?"}],
    extra_body={"structured_outputs": {"choice": ["QZX"]}, "logprob_token_ids": [65, 66]},
)
assert held.choices[0].message.content == "QZX", held

try:
    client.models.list()
    raise SystemExit("expected no such path")
except (NotFoundError, BadRequestError) as error:
    assert "no such path" in str(error), error
print("OpenAI's client agrees with the mock")
