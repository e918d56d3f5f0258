"""Addresses under /notifications/."""

from django.urls import path

from notifications import api, device_views, hidden_views, preference_views, quieting_views, views, webhook_views
from notifications.digests import views as digests

urlpatterns = [
    path("", views.history, name="history"),
    path("export.csv", views.history_export, name="history_export"),
    path("read/", views.mark_all_read, name="mark_all_read"),
    path("read/selected/", views.mark_selected_read, name="mark_selected_read"),
    path("<int:notification_id>/read/", views.mark_read, name="mark_read"),
    path("preferences/", preference_views.preferences_page, name="preferences"),
    path("digest/now/", digests.send_one_now, name="digest_now"),
    path("digest/unsubscribe/<str:token>/", digests.unsubscribe, name="digest_unsubscribe"),
    path("api/list/", api.notification_list, name="api_list"),
    path("api/unread-count/", api.unread_count, name="api_unread_count"),
    path("api/mark-read/<int:notification_id>/", api.mark_read, name="api_mark_read"),
    path("api/mark-read/", api.mark_many_read, name="api_mark_many_read"),
    path("api/mark-unread/<int:notification_id>/", api.mark_unread, name="api_mark_unread"),
    path("api/mark-all-read/", api.mark_all_read, name="api_mark_all_read"),
    path("api/mark-all-read/undo/", api.undo_mark_all_read, name="api_undo_mark_all_read"),
    path("api/update-preferences/", preference_views.api_update_preferences, name="api_update_preferences"),
    path("api/preview-preferences/", preference_views.api_preview_preferences, name="api_preview_preferences"),
    path("hidden/", hidden_views.hidden_page, name="hidden"),
    path("api/hidden/", hidden_views.api_hidden, name="api_hidden"),
    path("pause/", quieting_views.pause, name="pause"),
    path("mutes/", quieting_views.mute, name="mute"),
    path("mutes/<int:mute_id>/delete/", quieting_views.unmute, name="unmute"),
    path("api/pause/", quieting_views.api_pause, name="api_pause"),
    path("api/mutes/", quieting_views.api_mutes, name="api_mutes"),
    path("api/mutes/<int:mute_id>/", quieting_views.api_mute, name="api_mute"),
    path("devices/<int:device_id>/remove/", device_views.remove_device, name="remove_device"),
    path("devices/<int:device_id>/test/", device_views.test_device, name="test_device"),
    path("webhook/", webhook_views.save_webhook, name="save_webhook"),
    path("webhook/secret/", webhook_views.renew_webhook_secret, name="renew_webhook_secret"),
    path("webhook/remove/", webhook_views.remove_webhook, name="remove_webhook"),
    path("webhook/resume/", webhook_views.resume_webhook, name="resume_webhook"),
    path("webhook/test/", webhook_views.test_webhook, name="test_webhook"),
    path("api/push-subscriptions/", device_views.api_push_subscriptions, name="api_push_subscriptions"),
    path("api/push-subscriptions/renew/", device_views.api_renew_push_subscription, name="api_renew_push"),
    path("api/push-read/", device_views.api_push_read, name="api_push_read"),
    path("api/<path:rest>", api.not_found, name="api_not_found"),
]
