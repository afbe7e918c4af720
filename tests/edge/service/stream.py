"""A camera on the network whose deeds a test decides: pictures over HTTP, as MJPEG cameras send them."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np


class StreamCamera:
    """Serves noise at some 20 frames a second; a context manager."""

    def __init__(self) -> None:
        self.deed = "deliver"
        """Or 'repeat' the last picture, 'hang' with the connection open, 'refuse' all."""
        self.connections = 0
        self.open = 0
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if camera.deed == "refuse":
                    self.send_error(503)
                    return
                camera.connections += 1
                camera.open += 1
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                    self.end_headers()
                    while camera.deed != "refuse":
                        picture = camera.picture()
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                        self.wfile.write(head.encode() + picture + b"\r\n")
                        time.sleep(0.05)
                        while camera.deed == "hang":
                            time.sleep(0.05)
                except OSError:
                    pass  # the reader went away
                finally:
                    camera.open -= 1

            def log_message(self, *arguments: object) -> None:
                pass

        self._rng = np.random.default_rng(1)
        self._last = self._noise()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/stream"

    def picture(self) -> bytes:
        if self.deed != "repeat":
            self._last = self._noise()
        return self._last

    def _noise(self) -> bytes:
        encoded = cv2.imencode(".jpg", self._rng.integers(0, 255, (120, 160, 3), dtype=np.uint8))[1]
        return bytes(encoded)

    def __enter__(self) -> StreamCamera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.deed = "refuse"
        self._server.shutdown()
        self._server.server_close()
