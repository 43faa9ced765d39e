# The API, the scheduler, a worker or a migration, by command. The same lock as everywhere.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 VIRTUAL_ENV=/app/.venv PATH=/app/.venv/bin:$PATH
WORKDIR /app

COPY requirements.lock ./
RUN python -m venv .venv \
    && sed -n '/^uv==/,/[^\\]$/p' requirements.lock > /tmp/uv.lock \
    && pip install --no-cache-dir --require-hashes -r /tmp/uv.lock \
    && uv pip sync --no-cache --only-binary :all: --require-hashes --compile-bytecode requirements.lock \
    && rm /tmp/uv.lock

COPY pyproject.toml ./
COPY migrations migrations
COPY env_registry env_registry
COPY workers workers
COPY service service

RUN useradd --system --uid 10001 worldpool
USER worldpool
CMD ["python", "-m", "service", "api"]
