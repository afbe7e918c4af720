"""From a frame to the faces in it, or to the points of one."""

from __future__ import annotations

from typing import Final

from benchmarks.peers.system import OURS, PeerFile, System

_MEDIAPIPE = "Google's own photographs, not published (its model card)"

LANDMARKS: Final[tuple[System, ...]] = (
    System(
        name="MediaPipe Face Landmarker",
        job="landmarks",
        adapter="mediapipe_landmarker.py",
        environment="mediapipe",
        module="mediapipe",
        distributions=("mediapipe",),
        what="478 points and 52 blendshapes for video; it names no emotion",
        origin="https://github.com/google-ai-edge/mediapipe",
        licence="Apache-2.0",
        trained_on=_MEDIAPIPE,
        on_test_data="it is not scored: it knows no expressions",
        files=(
            PeerFile(
                "face_landmarker.task",
                "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
                "face_landmarker.task",
                "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
                3758596,
            ),
        ),
    ),
    System(
        name="MediaPipe Face Mesh",
        job="landmarks",
        adapter="mediapipe_mesh.py",
        environment="mediapipe",
        module="mediapipe",
        distributions=("mediapipe",),
        what="its forerunner, whose models the wheel carries: 468 points, no blendshapes",
        origin="https://github.com/google-ai-edge/mediapipe",
        licence="Apache-2.0",
        trained_on=_MEDIAPIPE,
        on_test_data="it is not scored: it knows no expressions",
        files=(
            PeerFile(
                "face_landmark.tflite",
                "inside the wheel of mediapipe 0.10.21",
                "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
                1242398,
                package="mediapipe/modules/face_landmark",
            ),
        ),
    ),
)

DETECTION: Final[tuple[System, ...]] = (
    System(
        name="affect-edge detector",
        job="detection",
        adapter="affect_edge_detector.py",
        environment="affect-edge",
        module="edge",
        distributions=("affect-edge",),
        what="its face detector alone, on every frame",
        licence=OURS,
        trained_on="photographs with faces, WIDER FACE among them; see the model's card",
        on_test_data="it is not scored here: see benchmarks.detection",
    ),
    System(
        name="OpenCV Haar",
        job="detection",
        adapter="opencv_haar.py",
        environment="opencv",
        module="cv2",
        distributions=("opencv-python-headless",),
        what="the cascade of frontal faces (Viola and Jones 2001) as OpenCV's examples call it",
        origin="https://github.com/opencv/opencv",
        licence="the cascade: Intel's licence for OpenCV, BSD style; OpenCV: Apache-2.0",
        trained_on="some 5,000 faces, not published",
        on_test_data="it is not scored here: see benchmarks.detection",
        files=(
            PeerFile(
                "haarcascade_frontalface_default.xml",
                "inside OpenCV's wheel",
                "0f7d4527844eb514d4a4948e822da90fbb16a34a0bbbbc6adc6498747a5aafb0",
                930127,
                package="cv2/data",
            ),
        ),
    ),
    System(
        name="MediaPipe BlazeFace",
        job="detection",
        adapter="mediapipe_detection.py",
        environment="mediapipe",
        module="mediapipe",
        distributions=("mediapipe",),
        what="`mp.solutions.face_detection` with its defaults: the short-range model (Bazarevsky et al. 2019)",
        origin="https://github.com/google-ai-edge/mediapipe",
        licence="Apache-2.0",
        trained_on=_MEDIAPIPE,
        on_test_data="it is not scored here: see benchmarks.detection",
        files=(
            PeerFile(
                "face_detection_short_range.tflite",
                "inside the wheel of mediapipe 0.10.21",
                "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
                229714,
                package="mediapipe/modules/face_detection",
            ),
        ),
    ),
    System(
        name="YuNet",
        job="detection",
        adapter="opencv_yunet.py",
        environment="opencv",
        module="cv2",
        distributions=("opencv-python-headless",),
        what="YuNet (Wu, Peng and Yu 2023) through OpenCV's FaceDetectorYN, with OpenCV's thresholds",
        origin="https://github.com/opencv/opencv_zoo",
        licence="MIT",
        trained_on="WIDER FACE",
        on_test_data="it is not scored here: see benchmarks.detection",
        files=(
            PeerFile(
                "face_detection_yunet_2023mar.onnx",
                "https://github.com/opencv/opencv_zoo, models/face_detection_yunet/",
                "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
                232589,
            ),
        ),
    ),
)
