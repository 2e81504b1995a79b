"""What a media container promises about its own size, told without decoding.

Only bytes are read here: the headers of RIFF, RF64, AIFF, AU, W64, FLV, Ogg,
MP4, Matroska and MPEG program files. Other formats promise nothing that can be
told so.
"""

import os
import struct

# What writers into a pipe leave where a RIFF size should be: 0, or about the
# largest number of 31 or 32 bits.
_PIPES = ((0, 0), (0x7FFFF000, 0x80000FFF), (0xFFFFF000, 0xFFFFFFFF))
_FLV_TAGS = (8, 9, 18)  # audio, video, script data
_PADDING = 512  # bytes of zeros that may follow the last tag or packet
_OGG_LAST = 4  # the flag of a stream's last page
_W64_MAGIC = b"riff\x2e\x91\xcf\x11"
_MPEG_START, _MPEG_END, _MPEG_PACK = b"\0\0\1", 0xB9, 0xBA
_SEGMENT = bytes.fromhex("18538067")


def is_placeholder(size):
    """Whether a RIFF size says "unknown", as a writer into a pipe leaves it."""
    return any(low <= size <= high for low, high in _PIPES)


def fault_of(file):
    """Says what a container lacks.

    Args:
        file: binary file object, at any position; it is moved.

    Returns:
        A text, or None where the file is as long as it says.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(64)
    for matches, check in _CHECKS:
        if matches(head):
            return check(file, head, size)
    return None


def riff_chunks(file, size):
    """Yields `(name, offset of the body, size)` of a RIFF file's chunks.

    A chunk whose size is a placeholder is yielded with the size None, as the
    last one.

    Args:
        file: binary file object.
        size: where to stop, in bytes.
    """
    file.seek(4)
    # A recorder that leaves the size of all open leaves that of the samples.
    open_ended = is_placeholder(struct.unpack("<I", file.read(4))[0])
    offset = 12
    while offset + 8 <= size:
        file.seek(offset)
        name, length = struct.unpack("<4sI", file.read(8))
        if not name.strip(b"\0"):  # zeros where a chunk should be
            return
        unknown = is_placeholder(length)
        if not length:
            unknown = open_ended and name == b"data"
        yield name, offset + 8, None if unknown else length
        if unknown:
            return
        offset += 8 + length + length % 2


def _short(expected, size):
    if size >= expected:
        return None
    return (
        f"the file is truncated: expected at least {expected} bytes from its "
        f"own header. Received: {size} bytes."
    )


def _riff(file, head, size):
    if len(head) < 12:
        return _short(12, size)
    (length,) = struct.unpack("<I", head[4:8])
    end = size
    if not is_placeholder(length):
        # Some writers count the padding byte of an odd last chunk.
        fault = _short(length + 8 - length % 2, size)
        if fault:
            return fault
        end = min(size, length + 8)
    for _, start, chunk in riff_chunks(file, end):
        if chunk is not None and start + chunk > size:
            return _short(start + chunk, size)
    return None


def _rf64(file, head, size):
    return _short(struct.unpack("<Q", head[20:28].ljust(8, b"\0"))[0] + 8, size)


def _aiff(file, head, size):
    length = int.from_bytes(head[4:8], "big")
    return _short(length + 8 - length % 2, size)


def _au(file, head, size):
    offset, length = struct.unpack(">II", head[4:12].ljust(8, b"\0"))
    return _short(offset + (0 if length == 0xFFFFFFFF else length), size)


def _w64(file, head, size):
    return _short(int.from_bytes(head[16:24], "little"), size)


def _flv(file, head, size):
    """Walks the tags."""
    if size < 9:
        return _short(13, size)
    offset = int.from_bytes(head[5:9], "big") + 4
    while offset + 4 <= size:
        file.seek(offset)
        tag = file.read(11)
        if tag[0] not in _FLV_TAGS:
            return _zeros_from(file, offset, size, "a tag")
        end = offset + 11 + int.from_bytes(tag[1:4], "big")
        if end > size:
            return _short(end, size)
        offset = end + 4
    return None


def _zeros_from(file, offset, size, what):
    """Faults zeros where a tag should be, but for a little padding at the end.

    Other bytes that follow the tags pass: players ignore them.
    """
    file.seek(offset)
    rest = file.read(_PADDING + 1)
    if rest[:11].strip(b"\0") or offset + _PADDING >= size:
        return None
    return (
        f"the file is damaged: expected {what} at byte {offset} of {size}. "
        "Received: zeros."
    )


def _ogg(file, head, size):
    """Walks the pages; the last one has to say that it is the last."""
    offset, last = 0, False
    while offset + 27 <= size:
        file.seek(offset)
        page = file.read(27)
        if page[:4] != b"OggS":
            break
        end = offset + 27 + page[26] + sum(file.read(page[26]))
        if end > size:
            return _short(end, size)
        last = bool(page[5] & _OGG_LAST)
        offset = end
    if last:
        return None
    return (
        "the file is truncated: expected a last page. Received: a stream that "
        f"stops at byte {offset} of {size}."
    )


def _mp4(file, head, size):
    """Walks the boxes of the top level."""
    offset = 0
    while offset + 8 <= size:
        file.seek(offset)
        length, _ = struct.unpack(">I4s", file.read(8))
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        if length < 8:  # 0: to the end of the file
            return None
        offset += length
    return _short(offset, size)


def _matroska(file, head, size):
    header, width = _ebml_size(head[4:12])
    if header is None:
        return None
    offset = 4 + width + header
    file.seek(offset)
    data = file.read(12)
    length, width = _ebml_size(data[4:])
    if data[:4] != _SEGMENT:
        return None
    offset += 4 + width
    if length is not None:
        return _short(offset + length, size)
    # A live stream's segment has no size, but its elements have; of those
    # that have none either, such as clusters, the children are walked.
    while offset < size:
        file.seek(offset)
        data = file.read(12)
        if not data[0]:
            return _zeros_from(file, offset, size, "an element")
        name = 9 - data[0].bit_length()
        length, width = _ebml_size(data[name:])
        offset += name + width + (length or 0)
    return _short(offset, size)


def _mpeg(file, head, size):
    """Walks the packs and packets of an MPEG program stream."""
    offset = 0
    while offset + 14 <= size:
        file.seek(offset)
        packet = file.read(14)
        if packet[:3] != _MPEG_START or packet[3] == _MPEG_END:
            return _zeros_from(file, offset, size, "a packet")
        if packet[3] == _MPEG_PACK:
            # MPEG-2 has a longer pack, which may be stuffed.
            later = packet[4] >> 6 == 1
            offset += 14 + (packet[13] & 7) if later else 12
        else:
            offset += 6 + int.from_bytes(packet[4:6], "big")
    return _short(offset, size)


def _ebml_size(data):
    """Returns an element's size (None: unknown) and the bytes it takes."""
    if not data or not data[0]:
        return None, 0
    width = 9 - data[0].bit_length()
    if len(data) < width:
        return None, 0
    ones = (1 << (7 * width)) - 1
    value = int.from_bytes(data[:width], "big") & ones
    return (None if value == ones else value), width


def _starts(*magics):
    return lambda head: head.startswith(magics)


_CHECKS = (
    (_starts(b"RIFF"), _riff),
    (_starts(b"RF64"), _rf64),
    (_starts(b"FORM"), _aiff),
    (_starts(b".snd"), _au),
    (_starts(_W64_MAGIC), _w64),
    (_starts(b"FLV"), _flv),
    (_starts(b"OggS"), _ogg),
    (lambda head: head[4:8] == b"ftyp", _mp4),
    (_starts(bytes.fromhex("1a45dfa3")), _matroska),
    (_starts(_MPEG_START + bytes([_MPEG_PACK])), _mpeg),
)
