"""``make services``, ``make services-stop``: a Kafka broker and a PostgreSQL cluster for development, on loopback.

``python -m tools.services start|stop|status [--folder DIR]``. Both keep their data and ports over a stop. The
addresses are printed, and written to ``env`` in the folder; the password has a file of its own (mode 0600).
Exit codes: 0 fine, 1 a service does not run (status), 2 something is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.kafka_broker import Broker
from tools.maven_libs import ROOT, ServiceFailed
from tools.postgresql_cluster import Cluster


def start(broker: Broker, cluster: Cluster, environment: Path) -> int:
    """Start what does not run yet."""
    broker.start()
    cluster.start()
    found = {
        "MOHR_SERVICES_KAFKA": broker.url,
        "MOHR_SERVICES_DATABASE_URL": cluster.url,
        "MOHR_SERVICES_DATABASE_PASSWORD_FILE": str(cluster.password_file),
        "MOHR_SERVICES_DATABASE_SOCKET_URL": cluster.socket_url or "",
    }
    text = "".join(f"{name}='{value}'\n" for name, value in found.items())
    environment.write_text(text, "utf-8")
    print(text, end="")
    print(f"written to {environment}; for instance, once (a demo begins in an empty database):")
    print(f"  .venv/bin/mohr demo --kafka {broker.url} --database-url {cluster.url} \\")
    print(f"    --database-password-file {cluster.password_file}")
    return 0


def stop(broker: Broker, cluster: Cluster, environment: Path) -> int:
    """End exactly these two."""
    broker.stop()
    cluster.stop()
    environment.unlink(missing_ok=True)
    return 0


def status(broker: Broker, cluster: Cluster) -> int:
    """Say which of them run."""
    pids = {"kafka": broker.pid, "postgresql": cluster.pid}
    for name, pid in pids.items():
        print(f"{name}: {'does not run' if pid is None else f'runs as {pid}'}")
    return 0 if all(pids.values()) else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="services", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("command", choices=["start", "stop", "status"])
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "services")
    parser.add_argument("--kafka-port", type=int)
    parser.add_argument("--postgresql-port", type=int)
    options = parser.parse_args()
    broker = Broker(options.folder / "kafka", options.kafka_port)
    cluster = Cluster(options.folder / "postgresql", options.postgresql_port)
    environment = options.folder.absolute() / "env"
    try:
        if options.command == "start":
            return start(broker, cluster, environment)
        if options.command == "stop":
            return stop(broker, cluster, environment)
        return status(broker, cluster)
    except ServiceFailed as error:
        print(f"services: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
