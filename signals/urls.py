"""Addresses under /signals/. The insight page is not here: whom it is shown to is the notifications' business."""

from django.urls import path

from signals import views
from signals.webhook import webhook

urlpatterns = [
    path("webhook/<str:token>/", webhook, name="webhook"),
    path("webhook/<str:token>", webhook),  # a redirect to the slash would lose the posted alert
    path("track-record/", views.track_record_page, name="track_record"),
    path("connect/", views.connect, name="connect"),
    path("connect/test/", views.send_test_insight, name="connect_test"),
    path("connect/<int:source_id>/rename/", views.rename_source, name="connect_rename"),
    path("connect/<int:source_id>/rotate/", views.rotate_source, name="connect_rotate"),
    path("connect/<int:source_id>/pause/", views.pause_source, name="connect_pause"),
    path("connect/<int:source_id>/resume/", views.resume_source, name="connect_resume"),
    path("connect/<int:source_id>/delete/", views.delete_source, name="connect_delete"),
]
