"""The ground: people, applications, grants, events, feed."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('apis',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('identifier', sa.String(length=512), nullable=False),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('scopes', sa.Text(), nullable=False),
    sa.Column('access_token_ttl_s', sa.Integer(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_apis')),
    sa.UniqueConstraint('identifier', name=op.f('uq_apis_identifier'))
    )
    op.create_table('clients',
    sa.Column('client_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('auth_method', sa.String(length=32), nullable=False),
    sa.Column('grants', sa.Text(), nullable=False),
    sa.Column('redirect_uris', sa.Text(), nullable=False),
    sa.Column('post_logout_redirect_uris', sa.Text(), nullable=False),
    sa.Column('origins', sa.Text(), nullable=False),
    sa.Column('scopes', sa.Text(), nullable=False),
    sa.Column('apis', sa.Text(), nullable=False),
    sa.Column('first_party', sa.Boolean(), nullable=False),
    sa.Column('require_pkce', sa.Boolean(), nullable=False),
    sa.Column('rotate_refresh', sa.Boolean(), nullable=False),
    sa.Column('id_token_alg', sa.String(length=8), nullable=False),
    sa.Column('access_token_ttl_s', sa.Integer(), nullable=True),
    sa.Column('disabled_at', sa.BigInteger(), nullable=True),
    sa.Column('not_before', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('client_id', name=op.f('pk_clients'))
    )
    op.create_table('data_keys',
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_data_keys'))
    )
    op.create_table('events',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=True),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('severity', sa.String(length=6), nullable=False),
    sa.Column('outcome', sa.String(length=8), nullable=False),
    sa.Column('actor', sa.String(length=128), nullable=False),
    sa.Column('subject', sa.String(length=128), nullable=True),
    sa.Column('client_id', sa.String(length=64), nullable=True),
    sa.Column('session_id', sa.LargeBinary(length=16), nullable=True),
    sa.Column('device_id', sa.LargeBinary(length=16), nullable=True),
    sa.Column('request_id', sa.String(length=64), nullable=True),
    sa.Column('source', sa.String(length=64), nullable=False),
    sa.Column('place', sa.Text(), nullable=True),
    sa.Column('risk_score', sa.SmallInteger(), nullable=True),
    sa.Column('risk_reasons', sa.Text(), nullable=True),
    sa.Column('policy_revision', sa.BigInteger(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('sealed_for', sa.LargeBinary(length=16), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('person_index', sa.LargeBinary(length=32), nullable=True),
    sa.Column('address_index', sa.LargeBinary(length=32), nullable=True),
    sa.Column('network_index', sa.LargeBinary(length=32), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_events')),
    sa.UniqueConstraint('seq', name=op.f('uq_events_seq'))
    )
    op.create_index(op.f('ix_events_address_index_at'), 'events', ['address_index', 'at'], unique=False)
    op.create_index(op.f('ix_events_at'), 'events', ['at'], unique=False)
    op.create_index(op.f('ix_events_network_index_at'), 'events', ['network_index', 'at'], unique=False)
    op.create_index(op.f('ix_events_person_index_at'), 'events', ['person_index', 'at'], unique=False)
    op.create_table('feed',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=True),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('subject', sa.String(length=256), nullable=False),
    sa.Column('not_before', sa.BigInteger(), nullable=True),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_feed')),
    sa.UniqueConstraint('seq', name=op.f('uq_feed_seq'))
    )
    op.create_index(op.f('ix_feed_expires_at'), 'feed', ['expires_at'], unique=False)
    op.create_table('lockouts',
    sa.Column('key', sa.LargeBinary(length=32), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('first_at', sa.BigInteger(), nullable=False),
    sa.Column('until', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_lockouts'))
    )
    op.create_index(op.f('ix_lockouts_first_at'), 'lockouts', ['first_at'], unique=False)
    op.create_table('organisations',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('attributes', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_organisations')),
    sa.UniqueConstraint('name', name=op.f('uq_organisations_name'))
    )
    op.create_table('people',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('sub', sa.String(length=64), nullable=False),
    sa.Column('username', sa.String(length=64), nullable=True),
    sa.Column('username_key', sa.String(length=128), nullable=True),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('is_admin', sa.Boolean(), nullable=False),
    sa.Column('profile', sa.Text(), nullable=False),
    sa.Column('not_before', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_people')),
    sa.UniqueConstraint('sub', name=op.f('uq_people_sub')),
    sa.UniqueConstraint('username_key', name=op.f('uq_people_username_key'))
    )
    op.create_table('revisions',
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_revisions'))
    )
    op.create_table('revoked_tokens',
    sa.Column('jti', sa.String(length=64), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('jti', name=op.f('pk_revoked_tokens'))
    )
    op.create_index(op.f('ix_revoked_tokens_expires_at'), 'revoked_tokens', ['expires_at'], unique=False)
    op.create_table('roles',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('description', sa.String(length=256), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_roles')),
    sa.UniqueConstraint('name', name=op.f('uq_roles_name'))
    )
    op.create_table('signing_keys',
    sa.Column('kid', sa.String(length=64), nullable=False),
    sa.Column('alg', sa.String(length=8), nullable=False),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('public_jwk', sa.Text(), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('active_at', sa.BigInteger(), nullable=True),
    sa.Column('retired_at', sa.BigInteger(), nullable=True),
    sa.Column('revoked_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('kid', name=op.f('pk_signing_keys'))
    )
    op.create_index(op.f('ix_signing_keys_state_alg'), 'signing_keys', ['state', 'alg'], unique=False)
    op.create_table('subject_keys',
    sa.Column('subject_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('destroyed_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('subject_id', name=op.f('pk_subject_keys'))
    )
    op.create_table('client_secrets',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('client_id', sa.String(length=64), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('hint', sa.String(length=8), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['client_id'], ['clients.client_id'], name=op.f('fk_client_secrets_client_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_client_secrets')),
    sa.UniqueConstraint('digest', name=op.f('uq_client_secrets_digest'))
    )
    op.create_index(op.f('ix_client_secrets_client_id'), 'client_secrets', ['client_id'], unique=False)
    op.create_table('consents',
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('client_id', sa.String(length=64), nullable=False),
    sa.Column('audience', sa.String(length=512), nullable=False),
    sa.Column('scope', sa.String(length=128), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['client_id'], ['clients.client_id'], name=op.f('fk_consents_client_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_consents_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('person_id', 'client_id', 'audience', 'scope', name=op.f('pk_consents'))
    )
    op.create_table('credentials',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('label', sa.String(length=64), nullable=True),
    sa.Column('hash', sa.Text(), nullable=True),
    sa.Column('sealed', sa.LargeBinary(), nullable=True),
    sa.Column('external_id', sa.LargeBinary(), nullable=True),
    sa.Column('attributes', sa.Text(), nullable=False),
    sa.Column('backup_eligible', sa.Boolean(), nullable=True),
    sa.Column('backup_state', sa.Boolean(), nullable=True),
    sa.Column('sign_count', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('last_used_at', sa.BigInteger(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_credentials_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_credentials')),
    sa.UniqueConstraint('external_id', name=op.f('uq_credentials_external_id'))
    )
    op.create_index(op.f('ix_credentials_person_id_kind'), 'credentials', ['person_id', 'kind'], unique=False)
    op.create_index('uq_credentials_password', 'credentials', ['person_id'], unique=True, sqlite_where=sa.text("kind = 'password'"), postgresql_where=sa.text("kind = 'password'"))
    op.create_table('devices',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('cookie_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('label', sa.String(length=128), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('last_seen_at', sa.BigInteger(), nullable=False),
    sa.Column('trusted_until', sa.BigInteger(), nullable=True),
    sa.Column('revoked_at', sa.BigInteger(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_devices_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_devices')),
    sa.UniqueConstraint('person_id', 'cookie_digest', name=op.f('uq_devices_person_id_cookie_digest'))
    )
    op.create_index(op.f('ix_devices_cookie_digest'), 'devices', ['cookie_digest'], unique=False)
    op.create_table('emails',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('address', sa.String(length=254), nullable=False),
    sa.Column('address_key', sa.String(length=254), nullable=False),
    sa.Column('is_primary', sa.Boolean(), nullable=False),
    sa.Column('verified_at', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_emails_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_emails')),
    sa.UniqueConstraint('person_id', 'address_key', name=op.f('uq_emails_person_id_address_key'))
    )
    op.create_index('uq_emails_verified', 'emails', ['address_key'], unique=True, sqlite_where=sa.text('verified_at IS NOT NULL'), postgresql_where=sa.text('verified_at IS NOT NULL'))
    op.create_table('external_identities',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('issuer', sa.String(length=512), nullable=False),
    sa.Column('subject', sa.String(length=256), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('last_used_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_external_identities_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_external_identities')),
    sa.UniqueConstraint('issuer', 'subject', name=op.f('uq_external_identities_issuer_subject'))
    )
    op.create_table('groups',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('organisation_id', sa.LargeBinary(length=16), nullable=True),
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisations.id'], name=op.f('fk_groups_organisation_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_groups')),
    sa.UniqueConstraint('organisation_id', 'name', name=op.f('uq_groups_organisation_id_name'))
    )
    op.create_table('organisation_members',
    sa.Column('organisation_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['organisation_id'], ['organisations.id'], name=op.f('fk_organisation_members_organisation_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_organisation_members_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('organisation_id', 'person_id', name=op.f('pk_organisation_members'))
    )
    op.create_index(op.f('ix_organisation_members_person_id'), 'organisation_members', ['person_id'], unique=False)
    op.create_table('role_members',
    sa.Column('role_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_role_members_person_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['role_id'], ['roles.id'], name=op.f('fk_role_members_role_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('role_id', 'person_id', name=op.f('pk_role_members'))
    )
    op.create_index(op.f('ix_role_members_person_id'), 'role_members', ['person_id'], unique=False)
    op.create_table('group_members',
    sa.Column('group_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['group_id'], ['groups.id'], name=op.f('fk_group_members_group_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_group_members_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('group_id', 'person_id', name=op.f('pk_group_members'))
    )
    op.create_index(op.f('ix_group_members_person_id'), 'group_members', ['person_id'], unique=False)
    op.create_table('sessions',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('device_id', sa.LargeBinary(length=16), nullable=True),
    sa.Column('auth_time', sa.BigInteger(), nullable=False),
    sa.Column('assessment', sa.Text(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('last_seen_at', sa.BigInteger(), nullable=False),
    sa.Column('idle_expires_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.Column('ended_why', sa.String(length=32), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['devices.id'], name=op.f('fk_sessions_device_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_sessions_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sessions')),
    sa.UniqueConstraint('digest', name=op.f('uq_sessions_digest'))
    )
    op.create_index(op.f('ix_sessions_expires_at'), 'sessions', ['expires_at'], unique=False)
    op.create_index(op.f('ix_sessions_person_id_ended_at'), 'sessions', ['person_id', 'ended_at'], unique=False)
    op.create_table('attempts',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('request', sa.Text(), nullable=True),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=True),
    sa.Column('session_id', sa.LargeBinary(length=16), nullable=True),
    sa.Column('proofs', sa.Text(), nullable=False),
    sa.Column('assessment', sa.Text(), nullable=True),
    sa.Column('decision', sa.Text(), nullable=True),
    sa.Column('consented', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('finished_at', sa.BigInteger(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_attempts_person_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['session_id'], ['sessions.id'], name=op.f('fk_attempts_session_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attempts')),
    sa.UniqueConstraint('digest', name=op.f('uq_attempts_digest'))
    )
    op.create_index(op.f('ix_attempts_expires_at'), 'attempts', ['expires_at'], unique=False)
    op.create_table('grants',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('client_id', sa.String(length=64), nullable=False),
    sa.Column('session_id', sa.LargeBinary(length=16), nullable=True),
    sa.Column('offline', sa.Boolean(), nullable=False),
    sa.Column('scope', sa.Text(), nullable=False),
    sa.Column('audience', sa.String(length=512), nullable=False),
    sa.Column('claims', sa.Text(), nullable=False),
    sa.Column('auth_time', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.Column('ended_why', sa.String(length=32), nullable=True),
    sa.Column('refresh_key', sa.LargeBinary(), nullable=True),
    sa.Column('refresh_number', sa.Integer(), nullable=True),
    sa.Column('refreshed_at', sa.BigInteger(), nullable=True),
    sa.Column('refresh_idle_expires_at', sa.BigInteger(), nullable=True),
    sa.Column('refresh_expires_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['client_id'], ['clients.client_id'], name=op.f('fk_grants_client_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_grants_person_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['session_id'], ['sessions.id'], name=op.f('fk_grants_session_id'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_grants'))
    )
    op.create_index(op.f('ix_grants_person_id_client_id'), 'grants', ['person_id', 'client_id'], unique=False)
    op.create_index(op.f('ix_grants_session_id'), 'grants', ['session_id'], unique=False)
    op.create_table('session_clients',
    sa.Column('session_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('client_id', sa.String(length=64), nullable=False),
    sa.Column('first_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['client_id'], ['clients.client_id'], name=op.f('fk_session_clients_client_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['session_id'], ['sessions.id'], name=op.f('fk_session_clients_session_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('session_id', 'client_id', name=op.f('pk_session_clients'))
    )
    op.create_table('session_proofs',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('session_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('method', sa.String(length=16), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['session_id'], ['sessions.id'], name=op.f('fk_session_proofs_session_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_session_proofs'))
    )
    op.create_index(op.f('ix_session_proofs_session_id'), 'session_proofs', ['session_id'], unique=False)
    op.create_table('single_use',
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=True),
    sa.Column('client_id', sa.String(length=64), nullable=True),
    sa.Column('grant_id', sa.LargeBinary(length=16), nullable=True),
    sa.Column('payload', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('used_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['client_id'], ['clients.client_id'], name=op.f('fk_single_use_client_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['grant_id'], ['grants.id'], name=op.f('fk_single_use_grant_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_single_use_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_single_use'))
    )
    op.create_index(op.f('ix_single_use_expires_at'), 'single_use', ['expires_at'], unique=False)
    op.bulk_insert(
        sa.table("revisions", sa.column("name", sa.String), sa.column("number", sa.BigInteger)),
        [{"name": "catalogue", "number": 1}, {"name": "keys", "number": 1}],
    )


def downgrade() -> None:
    op.drop_index(op.f('ix_single_use_expires_at'), table_name='single_use')
    op.drop_table('single_use')
    op.drop_index(op.f('ix_session_proofs_session_id'), table_name='session_proofs')
    op.drop_table('session_proofs')
    op.drop_table('session_clients')
    op.drop_index(op.f('ix_grants_session_id'), table_name='grants')
    op.drop_index(op.f('ix_grants_person_id_client_id'), table_name='grants')
    op.drop_table('grants')
    op.drop_index(op.f('ix_attempts_expires_at'), table_name='attempts')
    op.drop_table('attempts')
    op.drop_index(op.f('ix_sessions_person_id_ended_at'), table_name='sessions')
    op.drop_index(op.f('ix_sessions_expires_at'), table_name='sessions')
    op.drop_table('sessions')
    op.drop_index(op.f('ix_group_members_person_id'), table_name='group_members')
    op.drop_table('group_members')
    op.drop_index(op.f('ix_role_members_person_id'), table_name='role_members')
    op.drop_table('role_members')
    op.drop_index(op.f('ix_organisation_members_person_id'), table_name='organisation_members')
    op.drop_table('organisation_members')
    op.drop_table('groups')
    op.drop_table('external_identities')
    op.drop_index('uq_emails_verified', table_name='emails', sqlite_where=sa.text('verified_at IS NOT NULL'), postgresql_where=sa.text('verified_at IS NOT NULL'))
    op.drop_table('emails')
    op.drop_index(op.f('ix_devices_cookie_digest'), table_name='devices')
    op.drop_table('devices')
    op.drop_index('uq_credentials_password', table_name='credentials', sqlite_where=sa.text("kind = 'password'"), postgresql_where=sa.text("kind = 'password'"))
    op.drop_index(op.f('ix_credentials_person_id_kind'), table_name='credentials')
    op.drop_table('credentials')
    op.drop_table('consents')
    op.drop_index(op.f('ix_client_secrets_client_id'), table_name='client_secrets')
    op.drop_table('client_secrets')
    op.drop_table('subject_keys')
    op.drop_index(op.f('ix_signing_keys_state_alg'), table_name='signing_keys')
    op.drop_table('signing_keys')
    op.drop_table('roles')
    op.drop_index(op.f('ix_revoked_tokens_expires_at'), table_name='revoked_tokens')
    op.drop_table('revoked_tokens')
    op.drop_table('revisions')
    op.drop_table('people')
    op.drop_table('organisations')
    op.drop_index(op.f('ix_lockouts_first_at'), table_name='lockouts')
    op.drop_table('lockouts')
    op.drop_index(op.f('ix_feed_expires_at'), table_name='feed')
    op.drop_table('feed')
    op.drop_index(op.f('ix_events_person_index_at'), table_name='events')
    op.drop_index(op.f('ix_events_network_index_at'), table_name='events')
    op.drop_index(op.f('ix_events_at'), table_name='events')
    op.drop_index(op.f('ix_events_address_index_at'), table_name='events')
    op.drop_table('events')
    op.drop_table('data_keys')
    op.drop_table('clients')
    op.drop_table('apis')
