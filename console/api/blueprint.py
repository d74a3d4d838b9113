"""The one blueprint of the JSON API; each noun's file hangs its calls on it."""

from apiflask import APIBlueprint

PREFIX = "/api/v1"

api = APIBlueprint("api", __name__, url_prefix=PREFIX)
