"""The WSGI entry point: `gunicorn wsgi:app`."""

from console.app import create_app

app = create_app()
