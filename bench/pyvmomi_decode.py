"""pyVmomi's figure for bench/decode.lua: usage: pyvmomi_decode.py FILE PASSES; prints the seconds of each pass."""
import io
import re
import sys
import time

from pyVmomi import SoapAdapter, vmodl


class Stub:
    """What the deserializer asks of a connection."""
    version = "vim.version.v8_0_3_0"


def main():
    with open(sys.argv[1], "rb") as f:
        text = f.read()
    # the simulator leaves two required enums empty, on which pyVmomi raises
    text = re.sub(rb"<(faultToleranceState|recordReplayState)></\1>", b"", text)
    collector = vmodl.query.PropertyCollector
    result = collector.UpdateSet if b"WaitForUpdatesExResponse" in text else collector.RetrieveResult
    inner = max(1, 2000000 // len(text) // 10)
    for _ in range(int(sys.argv[2])):
        start = time.process_time()
        for _ in range(inner):
            value = SoapAdapter.SoapResponseDeserializer(Stub()).Deserialize(io.BytesIO(text), result)
            assert len(value.filterSet if result is collector.UpdateSet else value.objects) > 0
        print("%.9f" % ((time.process_time() - start) / inner))


if __name__ == "__main__":
    main()
