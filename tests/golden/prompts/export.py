"""Writes the sixteen golden prompts from the text printed in App. E of the paper.

Every string below is copied from the paper by hand; nothing is shared with the Rust code. Lines that the
paper wraps with an arrow are one line here. Needs Python 3.9 or later and no package.

    python3 tests/golden/prompts/export.py
"""

import pathlib

SYSTEM = """\
You are a multimodal sentiment analysis assistant.
You may receive any subset of modalities (video, audio, transcript text).
Do not assume missing modalities or fabricate details not supported by the evidence.
Follow the required output format exactly and output nothing else.
"""

TRANSCRIPT = """\
Transcript (may contain ASR errors):
<TRANSCRIPT_TEXT>
"""

INSTRUCTION = """\
Task: Based on the provided modalities (<PRESENT_MODALITIES>), assign a sentiment label and score.
Requirements:
Decision process:
1) First decide the Sentiment LETTER (A-E) based on all available modalities.
2) Then choose ONE Score from the allowed set of that LETTER that best reflects the sentiment intensity.
A (Negative) = <SET_A>, B (Weakly Negative) = <SET_B>,
C (Neutral) = <SET_C>, D (Weakly Positive) = <SET_D>, E (Positive) = <SET_E>
Output format (exactly):
<ONE LETTER: A or B or C or D or E>
Score: <one value from the allowed set matching the letter>
"""

SCORE_SETS = {
    "ch-sims": {
        "A": "{-1.0, -0.8}",
        "B": "{-0.6, -0.4, -0.2}",
        "C": "{ 0.0}",
        "D": "{ 0.2, 0.4, 0.6}",
        "E": "{ 0.8, 1.0}",
    },
    "cmu-mosi": {
        "A": "{-1.0, -0.8, -0.6}",
        "B": "{-0.4, -0.2}",
        "C": "{ 0.0}",
        "D": "{ 0.2, 0.4}",
        "E": "{ 0.6, 0.8, 1.0}",
    },
}

COALITIONS = {
    "none": "none",
    "T": "transcript text",
    "A": "audio",
    "V": "video",
    "TA": "audio, transcript text",
    "TV": "video, transcript text",
    "AV": "video, audio",
    "TAV": "video, audio, transcript text",
}


def render(corpus: str, coalition: str) -> str:
    """One prompt in the neutral rendering that README.md describes."""
    letters = "" if coalition == "none" else coalition
    text = "<system>\n" + SYSTEM + "<user>\n"
    if "V" in letters:
        text += "<video>\n"
    if "A" in letters:
        text += "<audio>\n"
    if "T" in letters:
        text += TRANSCRIPT
    instruction = INSTRUCTION.replace("<PRESENT_MODALITIES>", COALITIONS[coalition])
    for letter, scores in SCORE_SETS[corpus].items():
        instruction = instruction.replace(f"<SET_{letter}>", scores)
    return text + instruction


def main() -> None:
    """Writes `<corpus>/<coalition>.txt` beside this script."""
    here = pathlib.Path(__file__).resolve().parent
    for corpus in SCORE_SETS:
        folder = here / corpus
        folder.mkdir(exist_ok=True)
        for coalition in COALITIONS:
            (folder / f"{coalition}.txt").write_bytes(render(corpus, coalition).encode())


if __name__ == "__main__":
    main()
