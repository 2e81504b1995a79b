"""Writing videos, with sound, that are the same bytes every time."""

import fractions

import av


def write_video(path, frames, fps, wave, rate, *, codecs, audio_rate=None):
    """Writes a video in the container of the file's suffix.

    Args:
        path: `Path`, such as `clip.flv`.
        frames: uint8 array of shape `(count, height, width, 3)`.
        fps: frames per second, an integer.
        wave: float array of shape `(samples,)` in [-1, 1].
        rate: its sampling rate in Hz.
        codecs: FFmpeg's names of a video and an audio encoder.
        audio_rate: sampling rate in the file, where not `rate`.
    """
    options = {"fflags": "+bitexact"}  # no version strings: equal bytes
    format = path.suffix[1:]
    with av.open(str(path), "w", format=format, options=options) as container:
        video = container.add_stream(codecs[0], rate=fps)
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.bit_rate = 2_000_000
        video.codec_context.time_base = fractions.Fraction(1, fps)
        video.codec_context.thread_count = 1
        audio = container.add_stream(
            codecs[1], rate=audio_rate or rate, layout="mono"
        )
        for stream in (video, audio):
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for k, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = k
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(
            wave[None].astype("float32"), format="fltp", layout="mono"
        )
        sound.rate = rate
        sound.pts = 0
        resampler = av.AudioResampler(
            format=audio.format, layout="mono", rate=audio.rate
        )
        for part in [*resampler.resample(sound), *resampler.resample(None)]:
            container.mux(audio.encode(part))
        container.mux(audio.encode(None))
