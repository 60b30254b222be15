"""Sends log records by the real OpenTelemetry SDK: otel_send.py http|grpc ENDPOINT. Run by otel_sdk.py in an environment that has it."""
import logging
import sys

from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

kind, endpoint = sys.argv[1:]
if kind == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    exporter = OTLPLogExporter(endpoint=endpoint, insecure=True)
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    exporter = OTLPLogExporter(endpoint=endpoint, compression=Compression.Gzip)

resource = Resource.create({"service.name": f"shop-{kind}", "service.namespace": "market", "k8s.pod.name": "shop-1",
                            "host.name": "h1", "custom.list": ["a", "b"]})
provider = LoggerProvider(resource=resource)
provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
trace.set_tracer_provider(TracerProvider(resource=resource))
log = logging.getLogger("checkout.cart")
log.setLevel(logging.DEBUG)
log.addHandler(LoggingHandler(level=logging.DEBUG, logger_provider=provider))

log.info("hello from the SDK", extra={"http.status": 200, "ratio": 1.5, "ok": True})
with trace.get_tracer("t").start_as_current_span("pay") as span:
    log.error("payment failed", extra={"user": "u7"})
    print(format(span.get_span_context().trace_id, "032x"), format(span.get_span_context().span_id, "016x"))
for n in range(1000):
    log.debug("line %d", n)
provider.shutdown()
