"""The ledger over the events, alerts, reports, and what other services send; only additions, as before."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_FILL_FAMILY = {
    "sqlite": "UPDATE events SET family = substr(name, 1, instr(name, '.') - 1)",
    "postgresql": "UPDATE events SET family = split_part(name, '.', 1)",
}


def _index_those_with(column: str) -> None:
    has_one = sa.text(f'{column} IS NOT NULL')
    op.create_index(f'ix_events_{column}_at_id', 'events', [column, 'at', 'id'], sqlite_where=has_one, postgresql_where=has_one)


def upgrade() -> None:
    op.create_table('alerts',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('rule', sa.String(length=64), nullable=False),
    sa.Column('topic', sa.String(length=200), nullable=False),
    sa.Column('severity', sa.String(length=6), nullable=False),
    sa.Column('opened_at', sa.BigInteger(), nullable=False),
    sa.Column('last_at', sa.BigInteger(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('first_event', sa.LargeBinary(length=16), nullable=True),
    sa.Column('last_event', sa.LargeBinary(length=16), nullable=True),
    sa.Column('facts', sa.Text(), nullable=False),
    sa.Column('acknowledged_at', sa.BigInteger(), nullable=True),
    sa.Column('acknowledged_by', sa.String(length=128), nullable=True),
    sa.Column('escalated_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alerts'))
    )
    op.create_index(op.f('ix_alerts_opened_at'), 'alerts', ['opened_at'])
    op.create_index(op.f('ix_alerts_rule_topic_opened_at'), 'alerts', ['rule', 'topic', 'opened_at'])
    op.create_table('checkpoints',
    sa.Column('size', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('root', sa.LargeBinary(length=32), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('published_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('size', name=op.f('pk_checkpoints'))
    )
    op.create_index(op.f('ix_checkpoints_at'), 'checkpoints', ['at'])
    op.create_table('checkpoint_places',
    sa.Column('name', sa.String(length=16), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_checkpoint_places'))
    )
    op.create_table('cursors',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('next', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_cursors'))
    )
    op.create_table('intake_batches',
    sa.Column('client_id', sa.String(length=64), nullable=False),
    sa.Column('key', sa.String(length=128), nullable=False),
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('answer', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('client_id', 'key', name=op.f('pk_intake_batches'))
    )
    op.create_index(op.f('ix_intake_batches_created_at'), 'intake_batches', ['created_at'])
    op.create_table('leases',
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('holder', sa.LargeBinary(length=16), nullable=False),
    sa.Column('fence', sa.BigInteger(), nullable=False),
    sa.Column('until', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_leases'))
    )
    op.create_table('ledger_tiles',
    sa.Column('level', sa.SmallInteger(), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('hashes', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('level', 'number', name=op.f('pk_ledger_tiles'))
    )
    op.create_table('reports',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('from_at', sa.BigInteger(), nullable=False),
    sa.Column('until_at', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('model', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_reports'))
    )
    op.create_index(op.f('ix_reports_created_at'), 'reports', ['created_at'])
    op.create_index(op.f('ix_reports_kind_from_at'), 'reports', ['kind', 'from_at'])
    op.create_table('segments',
    sa.Column('first', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('last', sa.BigInteger(), nullable=False),
    sa.Column('pruned_at', sa.BigInteger(), nullable=False),
    sa.Column('archive', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('first', name=op.f('pk_segments'))
    )
    op.create_table('sequences',
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('next', sa.BigInteger(), nullable=False),
    sa.Column('epoch', sa.LargeBinary(length=16), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_sequences'))
    )
    op.create_table('deliveries',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('alert_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('receiver', sa.String(length=32), nullable=False),
    sa.Column('purpose', sa.String(length=16), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('sent_at', sa.BigInteger(), nullable=True),
    sa.Column('failed_at', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['alert_id'], ['alerts.id'], name=op.f('fk_deliveries_alert_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deliveries'))
    )
    op.create_index(op.f('ix_deliveries_alert_id'), 'deliveries', ['alert_id'])
    op.create_index(op.f('ix_deliveries_due_at'), 'deliveries', ['due_at'])
    op.add_column('events', sa.Column('family', sa.String(length=32), server_default=sa.text("''"), nullable=False))
    op.execute(_FILL_FAMILY[op.get_bind().dialect.name])
    op.create_index('ix_events_at_risk', 'events', ['at', 'id'], sqlite_where=sa.text('risk_score >= 50'), postgresql_where=sa.text('risk_score >= 50'))
    _index_those_with('client_id')
    op.create_index(op.f('ix_events_family_at_id'), 'events', ['family', 'at', 'id'])
    op.create_index(op.f('ix_events_name_at_id'), 'events', ['name', 'at', 'id'])
    op.create_index('ix_events_not_a_success', 'events', ['outcome', 'at', 'id'], sqlite_where=sa.text("outcome <> 'success'"), postgresql_where=sa.text("outcome <> 'success'"))
    op.create_index('ix_events_raised', 'events', ['severity', 'at', 'id'], sqlite_where=sa.text("severity <> 'LOW'"), postgresql_where=sa.text("severity <> 'LOW'"))
    op.create_index('ix_events_unnumbered', 'events', ['at', 'id'], sqlite_where=sa.text('seq IS NULL'), postgresql_where=sa.text('seq IS NULL'))
    op.create_index('ix_subject_keys_destroyed', 'subject_keys', ['destroyed_at'], sqlite_where=sa.text('destroyed_at IS NOT NULL'), postgresql_where=sa.text('destroyed_at IS NOT NULL'))
    op.create_index(op.f('ix_events_at_id'), 'events', ['at', 'id'])
    op.drop_index(op.f('ix_events_at'), table_name='events')
    _index_those_with('person_index')
    op.drop_index(op.f('ix_events_person_index_at'), table_name='events')
    op.drop_index(op.f('ix_events_address_index_at'), table_name='events')
    _index_those_with('network_index')
    op.drop_index(op.f('ix_events_network_index_at'), table_name='events')
    op.create_index('ix_feed_unnumbered', 'feed', ['created_at', 'id'], sqlite_where=sa.text('seq IS NULL'), postgresql_where=sa.text('seq IS NULL'))


def downgrade() -> None:
    op.drop_index('ix_feed_unnumbered', table_name='feed')
    op.drop_index('ix_subject_keys_destroyed', table_name='subject_keys')
    op.drop_index('ix_events_unnumbered', table_name='events')
    op.drop_index('ix_events_raised', table_name='events')
    op.drop_index('ix_events_not_a_success', table_name='events')
    op.drop_index(op.f('ix_events_name_at_id'), table_name='events')
    op.drop_index(op.f('ix_events_family_at_id'), table_name='events')
    op.drop_index(op.f('ix_events_client_id_at_id'), table_name='events')
    op.drop_index('ix_events_at_risk', table_name='events')
    op.create_index(op.f('ix_events_at'), 'events', ['at'])
    op.drop_index(op.f('ix_events_at_id'), table_name='events')
    op.create_index(op.f('ix_events_person_index_at'), 'events', ['person_index', 'at'])
    op.drop_index(op.f('ix_events_person_index_at_id'), table_name='events')
    op.create_index(op.f('ix_events_address_index_at'), 'events', ['address_index', 'at'])
    op.create_index(op.f('ix_events_network_index_at'), 'events', ['network_index', 'at'])
    op.drop_index(op.f('ix_events_network_index_at_id'), table_name='events')
    op.drop_column('events', 'family')
    op.drop_index(op.f('ix_deliveries_due_at'), table_name='deliveries')
    op.drop_index(op.f('ix_deliveries_alert_id'), table_name='deliveries')
    op.drop_table('deliveries')
    op.drop_table('sequences')
    op.drop_table('segments')
    op.drop_index(op.f('ix_reports_kind_from_at'), table_name='reports')
    op.drop_index(op.f('ix_reports_created_at'), table_name='reports')
    op.drop_table('reports')
    op.drop_table('ledger_tiles')
    op.drop_table('leases')
    op.drop_index(op.f('ix_intake_batches_created_at'), table_name='intake_batches')
    op.drop_table('intake_batches')
    op.drop_table('cursors')
    op.drop_index(op.f('ix_checkpoints_at'), table_name='checkpoints')
    op.drop_table('checkpoint_places')
    op.drop_table('checkpoints')
    op.drop_index(op.f('ix_alerts_rule_topic_opened_at'), table_name='alerts')
    op.drop_index(op.f('ix_alerts_opened_at'), table_name='alerts')
    op.drop_table('alerts')
