"""Google's own client against the mock server of the tests: questions with media, the Files API, a block, an error."""

import io
import sys
import time

from google import genai
from google.genai import errors, types

client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=sys.argv[1], api_version="v1beta"))
model = "mock-omni"
video = types.Part(
    inline_data=types.Blob(data=b"not a video", mime_type="video/mp4"), video_metadata=types.VideoMetadata(fps=2.0)
)
audio = types.Part.from_bytes(data=b"RIFF", mime_type="audio/wav")
config = types.GenerateContentConfig(
    system_instruction="You answer with one letter.",
    max_output_tokens=64,
    seed=7,
    response_logprobs=True,
    logprobs=20,
    safety_settings=[types.SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_NONE")],
)
reply = client.models.generate_content(model=model, contents=[video, audio, "Which?"], config=config)
candidate = reply.candidates[0]
assert candidate.finish_reason == types.FinishReason.STOP, candidate
assert reply.text.split("\n")[0] in "ABCDE", reply.text
assert candidate.logprobs_result.chosen_candidates[0].log_probability == -0.5
counted = {d.modality: d.token_count for d in reply.usage_metadata.prompt_tokens_details}
assert counted[types.MediaModality.AUDIO] == 40 and counted[types.MediaModality.VIDEO] == 300, counted
assert reply.usage_metadata.thoughts_token_count == 20 and reply.model_version and reply.response_id

held = types.GenerateContentConfig(
    response_mime_type="text/x.enum", response_schema={"type": "STRING", "enum": ["QZX", "QZY"]}
)
assert client.models.generate_content(model=model, contents="?", config=held).text == "QZX"

# A file under a name that is chosen here, as this tool does it.
name = "files/emomm-0123456789abcdef"
upload = types.UploadFileConfig(name=name, mime_type="audio/wav")
file = client.files.upload(file=io.BytesIO(b"RIFF" * 100), config=upload)
assert file.name == name, file
for _ in range(10):
    file = client.files.get(name=file.name)
    if file.state == types.FileState.ACTIVE:
        break
    time.sleep(0.1)
assert file.state == types.FileState.ACTIVE, file
part = types.Part.from_uri(file_uri=file.uri, mime_type="audio/wav")
heard = client.models.generate_content(model=model, contents=[part, "Which?"])
assert any(d.modality == types.MediaModality.AUDIO for d in heard.usage_metadata.prompt_tokens_details)
client.files.delete(name=file.name)
try:
    client.files.get(name=file.name)
    raise SystemExit("expected that the file is gone")
except errors.ClientError as error:
    assert error.code == 404, error
print(f"Google's client {genai.__version__} agrees with the mock")
