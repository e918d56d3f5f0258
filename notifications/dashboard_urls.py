"""Addresses outside /notifications/ that show notifications."""

from django.urls import path

from notifications import views

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("signals/insight/<int:signal_id>/", views.insight, name="insight"),
    path("signals/insight/<int:signal_id>/closes/", views.insight_closes, name="insight_closes"),
]
