"""Histories, activity, reports and calibrations behind the risk score; devices with names and looks; only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_DEVICE = ("previous_digest", "stray_digest")


def _index_risk(least: int) -> None:
    """Searches for sign-ins at risk begin where the person is told of one."""
    at_risk = sa.text(f'risk_score >= {least}')
    op.drop_index('ix_events_at_risk', table_name='events')
    op.create_index('ix_events_at_risk', 'events', ['at', 'id'], sqlite_where=at_risk, postgresql_where=at_risk)


def upgrade() -> None:
    op.create_table('risk_profiles',
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=True),
    sa.Column('recovered_at', sa.BigInteger(), nullable=True),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_risk_profiles_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('person_id', name=op.f('pk_risk_profiles'))
    )
    op.create_table('risk_activity',
    sa.Column('key', sa.LargeBinary(length=32), nullable=False),
    sa.Column('failures', sa.BigInteger(), nullable=False),
    sa.Column('successes', sa.BigInteger(), nullable=False),
    sa.Column('people', sa.BigInteger(), nullable=False),
    sa.Column('people_before', sa.BigInteger(), nullable=False),
    sa.Column('began_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_risk_activity'))
    )
    op.create_index(op.f('ix_risk_activity_began_at'), 'risk_activity', ['began_at'])
    op.create_table('risk_population',
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_risk_population'))
    )
    op.create_table('risk_reports',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('subject_kind', sa.String(length=16), nullable=False),
    sa.Column('subject', sa.LargeBinary(length=32), nullable=False),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=True),
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('weight', sa.Integer(), nullable=False),
    sa.Column('source', sa.String(length=64), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_risk_reports_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_risk_reports'))
    )
    op.create_index(op.f('ix_risk_reports_subject_expires_at'), 'risk_reports', ['subject', 'expires_at'])
    op.create_index(op.f('ix_risk_reports_expires_at'), 'risk_reports', ['expires_at'])
    op.create_table('risk_calibrations',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('learned_from', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('active_since', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_risk_calibrations'))
    )
    active = sa.text('active_since IS NOT NULL')
    op.create_index('ix_risk_calibrations_active', 'risk_calibrations', ['active_since'], sqlite_where=active, postgresql_where=active)
    _index_risk(30)
    for name in _DEVICE:
        op.add_column('devices', sa.Column(name, sa.LargeBinary(length=32), nullable=True))
        op.create_index(op.f(f'ix_devices_{name}'), 'devices', [name])
    op.add_column('devices', sa.Column('rotated_at', sa.BigInteger(), nullable=True))
    op.add_column('devices', sa.Column('name', sa.String(length=64), nullable=True))
    op.add_column('devices', sa.Column('looks', sa.LargeBinary(), nullable=True))
    op.add_column('sessions', sa.Column('risk', sa.SmallInteger(), nullable=True))
    op.add_column('sessions', sa.Column('seen', sa.LargeBinary(), nullable=True))
    op.add_column('clients', sa.Column('risk_thresholds', sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column('clients', 'risk_thresholds')
    _index_risk(50)
    for name in ('seen', 'risk'):
        op.drop_column('sessions', name)
    for name in ('looks', 'name', 'rotated_at'):
        op.drop_column('devices', name)
    for name in _DEVICE:
        op.drop_index(op.f(f'ix_devices_{name}'), table_name='devices')
        op.drop_column('devices', name)
    for name in ('calibrations', 'reports', 'population', 'activity', 'profiles'):
        op.drop_table(f'risk_{name}')
