"""The routes of a person's own pages."""

from starlette.routing import BaseRoute, Route

from identity.account.activity_page import ActivityPage
from identity.account.apps_page import AppsPage
from identity.account.data_page import DataPage
from identity.account.delete_page import DeletePage
from identity.account.emails_form import EmailsForm
from identity.account.overview_page import OverviewPage
from identity.account.password_form import PasswordForm
from identity.account.profile_page import ProfilePage
from identity.account.security_page import SecurityPage
from identity.account.sessions_page import SessionsPage
from identity.services import Services


def routes(services: Services) -> list[BaseRoute]:
    """Every page of a person's own, and what its forms are sent to."""
    overview, profile, security = OverviewPage(services), ProfilePage(services), SecurityPage(services)
    sessions, apps, data, delete = SessionsPage(services), AppsPage(services), DataPage(services), DeletePage(services)
    gets = {
        "/account": overview.show,
        "/account/profile": profile.show,
        "/account/security": security.show,
        "/account/sessions": sessions.show,
        "/account/activity": ActivityPage(services).show,
        "/account/apps": apps.show,
        "/account/data": data.show,
        "/account/delete": delete.show,
    }
    posts = {
        "/account": overview.keep_account,
        "/account/profile": profile.submit,
        "/account/profile/emails": EmailsForm(services).submit,
        "/account/security": security.submit,
        "/account/security/password": PasswordForm(services).submit,
        "/account/sessions": sessions.submit,
        "/account/apps": apps.submit,
        "/account/data": data.submit,
        "/account/delete": delete.submit,
    }
    return [
        *(Route(path, show, methods=["GET"]) for path, show in gets.items()),
        *(Route(path, submit, methods=["POST"]) for path, submit in posts.items()),
    ]
