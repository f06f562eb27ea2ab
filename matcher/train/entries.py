"""The catalog's entries for what was trained, ready for matcher/catalog/manifest.yaml."""
from captures import STUDENT, TEMPLATE
from detector import DETECT, MIN_SCORE

_HEAD = """\
  - name: {name}
    kind: {kind}
    file: {name}.onnx
    sha256: {sha256}
    size: {size}
    grade: demo
    licence: Apache-2.0
    source: limen's matcher/train, on the Face Research Lab London Set (CC BY 4.0); see {name}.md
    input: {{width: {side}, height: {side}, color: BGR, mean: [0, 0, 0], scale: 1}}
"""


def entries(figures):
    """The two entries as YAML; thresholds were found on the people learned from and counted on those held out."""
    files = figures["files"]
    text = _HEAD.format(name="limen-detector-demo", kind="detector", side=DETECT, **files["limen-detector-demo.onnx"])
    text += (f"    output: {{layout: yunet, min_score: {MIN_SCORE}}}\n"
             "    about: faces and five landmarks, as YuNet taught it on rendered scenes of 102 people; misses much elsewhere\n\n")
    text += _HEAD.format(name="limen-recogniser-demo", kind="recogniser", side=STUDENT, **files["limen-recogniser-demo.onnx"])
    text += "    align: [" + ", ".join(f"[{x:.4f}, {y:.4f}]" for x, y in TEMPLATE) + "]\n"
    text += ("    output: {length: 256, similarity: cosine}\n"
             "    about: 256 numbers, as frr0095 taught it on 82 people and their mixtures; it hardly knows anybody else, so it judges nobody at a border\n"
             "    thresholds:\n")
    for found in figures["recogniser"]:
        held = found["counts"]["held_out"]
        c = {k: held["photographs"][k] + held["captures"][k] for k in ("genuine", "impostor", "false_matches", "false_non_matches")}
        text += (f"      - {{fmr: {found['fmr']:g}, cosine: {found['cosine']:.2f}, set: london-held-out, genuine: {c['genuine']}, impostor: {c['impostor']}, "
                 f"false_matches: {c['false_matches']}, false_non_matches: {c['false_non_matches']}}}\n")
    return text
