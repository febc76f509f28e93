"""The controls of each framework, by their numbers, in our own words; and what lies outside this server."""

from collections.abc import Mapping
from dataclasses import dataclass

from server.controls import catalogue as c
from server.controls.checks import Control, Outside


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework's page."""

    title: str
    controls: tuple[Control, ...]
    outside: tuple[Outside, ...]


SOC2 = Framework(
    "SOC 2 controls",
    (
        Control("CC6.1", "Access is limited to who is known",
                "Only people and services that have proven who they are get in, and what guards them is strong.",
                (c.BARE_ADMINISTRATORS, c.SINGLE_FACTOR_SIGNINS, c.PASSWORD_LENGTH, c.OLD_KEYS)),
        Control("CC6.2", "Accounts are opened and closed on purpose",
                "Access is given after somebody approved it, and is taken away when it is not needed any more.",
                (c.CLOSED_BUT_LIVE, c.UNUSED_ACCOUNTS, c.SHARED_ACTOR)),
        Control("CC6.3", "Rights fit the role and are reviewed",
                "Rights are as small as the work allows, and somebody looks through them again and again.",
                (c.ACCESS_REVIEWED, c.UNUSED_CLIENTS, c.OLD_SECRETS)),
        Control("CC6.6", "Attacks from outside are held off",
                "Whoever tries to get in from outside meets limits that make guessing hopeless.",
                (c.LOCKOUT, c.SINGLE_FACTOR_ACCOUNTS)),
        Control("CC6.7", "Data is protected on its way",
                "What travels between people, applications and this server cannot be read or changed.",
                (c.TRANSPORT,)),
        Control("CC7.2", "What is unusual is noticed",
                "What happens is recorded so that it can be believed, watched, and told to somebody.",
                (c.UNNUMBERED, c.BROKEN_LOG, c.KEPT_INSIDE, c.UNDELIVERED)),
        Control("CC7.3", "What was noticed is judged",
                "Somebody looks at what was noticed and decides whether it is an incident.",
                (c.UNANSWERED, c.DAYS_WITHOUT_REPORT)),
    ),
    (
        Outside("CC6.4", "Physical access", "Rooms, racks and media are the hosting's."),
        Outside("CC6.5", "Disposal of media", "Disks and backups are the hosting's."),
        Outside("CC6.8", "Harmful software", "What runs on the host beside this server is the host's."),
        Outside("CC7.1", "Weaknesses in configuration", "Scanning hosts and dependencies is for other tools;"
                " `ostiary doctor` looks at this server's own settings."),
        Outside("CC7.4", "Response to incidents", "The plan and its practice are your people's; alerts and evidence"
                " bundles feed it."),
        Outside("CC7.5", "Recovery", "Backups and their rehearsal are outside this report."),
        Outside("CC8.1", "Changes of software", "How versions are approved and rolled out is your process."),
    ),
)  # fmt: skip

PCI = Framework(
    "PCI DSS 4.0.1 controls",
    (
        Control("7.2.4", "Accounts are reviewed",
                "Twice a year at least, somebody looks through all accounts and their rights.", (c.ACCESS_REVIEWED,)),
        Control("8.2.1", "Everybody has an account of their own",
                "Each act can be traced to one person.", (c.SHARED_ACTOR,)),
        Control("8.2.5", "Who leaves loses access at once",
                "Access of people who left ends without delay.", (c.CLOSED_BUT_LIVE,)),
        Control("8.2.6", "Unused accounts are closed",
                "An account that was not used for 90 days is closed or removed.", (c.UNUSED_ACCOUNTS,)),
        Control("8.2.8", "Unused sessions end",
                "Who did nothing for 15 minutes must prove again who they are.", (c.IDLE,)),
        Control("8.3.4", "Guessing is stopped",
                "After 10 failures at most an account is closed for 30 minutes at least, or until the person is known.",
                (c.LOCKOUT_PCI,)),
        Control("8.3.6", "Passwords are long enough",
                "A password has 12 characters at least.", (c.PASSWORD_LENGTH,)),
        Control("8.3.9", "A password alone is not for ever",
                "Where a password is the only factor, it is changed every 90 days or each access is judged as it"
                " happens. A second factor ends the question.", (c.SINGLE_FACTOR_ACCOUNTS,)),
        Control("8.4.1", "Administrators use several factors",
                "Administrative access takes more than one factor.", (c.BARE_ADMINISTRATORS,)),
        Control("8.4.2", "Everybody uses several factors",
                "Access to where card data is takes more than one factor.", (c.SINGLE_FACTOR_SIGNINS,)),
        Control("8.6.1", "Accounts of services are looked after",
                "Accounts of systems and applications are used only for what they are there for.", (c.UNUSED_CLIENTS,)),
        Control("8.6.3", "Secrets of services are changed",
                "Secrets of systems and applications are changed as often as the risk asks.",
                (c.OLD_SECRETS, c.OLD_KEYS)),
        Control("10.2.1", "What happens is logged",
                "Access, acts of administrators, failures, and changes of accounts and of logging itself are recorded.",
                (c.UNNUMBERED,)),
        Control("10.3.2", "Logs cannot be changed",
                "Nobody can change what was recorded.", (c.BROKEN_LOG,)),
        Control("10.3.3", "Logs leave the system",
                "Records are soon kept where whoever changes the system cannot change them.", (c.KEPT_INSIDE,)),
        Control("10.3.4", "Changes of logs are found",
                "If a record is changed all the same, that is found and told.", (c.BROKEN_LOG,)),
        Control("10.4.1", "Logs are looked at daily",
                "Once a day at least, somebody looks at what happened.", (c.DAYS_WITHOUT_REPORT,)),
        Control("10.5.1", "Logs are kept for a year",
                "Records are kept for 12 months, the last three at hand.", (c.RETENTION,)),
        Control("10.7.2", "Failures of security systems are told",
                "When something that guards the system stops working, somebody learns of it soon.", (c.UNDELIVERED,)),
        Control("10.7.3", "Failures are answered",
                "Whoever learns of a failure acts on it, and that is recorded.", (c.UNANSWERED,)),
    ),
    (
        Outside("8.2.2", "Shared accounts", "Accounts of the operating system and the database are the host's."),
        Outside("8.2.7", "Access of vendors", "Which accounts belong to vendors is not known here; the access review"
                " has a column for it."),
        Outside("8.6.2", "Secrets in code", "Where applications keep their secrets cannot be seen from here."),
        Outside("10.3.1", "Who may read logs on the host", "Files and the database are guarded by the host."),
        Outside("10.4.1.1", "Machines that watch the logs", "A SIEM gets every event; what it does with them is its"
                " own."),
        Outside("10.6", "Clocks", "Time synchronisation is the host's; `ostiary doctor` compares clocks with the"
                " database."),
    ),
)  # fmt: skip

FRAMEWORKS: Mapping[str, Framework] = {"soc2": SOC2, "pci": PCI}
