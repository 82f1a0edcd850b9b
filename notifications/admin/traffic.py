"""What lies around the deliveries: broadcasts, history, claims, receipts, keys and refusals. Nobody changes it."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..channels import SPECS
from ..cipher import address_hash
from ..enums import State
from ..flows.keys import revoke
from ..flows.operate import By
from ..flows.people import address_target
from ..models import ApiKey, Broadcast, DeliveryEvent, IdempotencyKey, Receipt, RefusedRequest
from ..models.console_queries import TooSlow, count_states, deadline
from .base import ReadOnlyAdmin, as_uuid, time_column
from .changelist import MILLISECONDS
from .confirm import DryRun, Operation, ask_or_do, selected
from .filters import ProviderFilter, WindowFilter
from .markup import EMPTY, badge, facts, id_moment, person_link, person_url, reason_text, short_id
