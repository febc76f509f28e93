"""Second factors, mail, and what a person's own pages need; only additions, so that the version before still works."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS: tuple[tuple[str, sa.Column[object]], ...] = (
    ('people', sa.Column('enrol_due_at', sa.BigInteger(), nullable=True)),
    ('people', sa.Column('delete_at', sa.BigInteger(), nullable=True)),
    ('lockouts', sa.Column('kept_until', sa.BigInteger(), nullable=True)),
    ('sessions', sa.Column('keep', sa.Boolean(), server_default=sa.text('false'), nullable=False)),
    ('attempts', sa.Column('destination', sa.String(length=32), nullable=True)),
    ('attempts', sa.Column('put_off', sa.Boolean(), server_default=sa.text('false'), nullable=False)),
    ('attempts', sa.Column('keep', sa.Boolean(), server_default=sa.text('false'), nullable=False)),
    ('apis', sa.Column('scope_acr', sa.Text(), server_default=sa.text("'{}'"), nullable=False)),
    ('clients', sa.Column('required_acr', sa.String(length=32), nullable=True)),
)


def upgrade() -> None:
    for table, column in _COLUMNS:
        op.add_column(table, column)
    op.create_index(op.f('ix_people_delete_at'), 'people', ['delete_at'])
    op.create_index(op.f('ix_single_use_person_id_kind'), 'single_use', ['person_id', 'kind'])
    op.create_table('backup_codes',
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('credential_id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('used_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['credential_id'], ['credentials.id'], name=op.f('fk_backup_codes_credential_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_backup_codes'))
    )
    op.create_index(op.f('ix_backup_codes_credential_id'), 'backup_codes', ['credential_id'])
    op.create_table('outbox',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=True),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('sent_at', sa.BigInteger(), nullable=True),
    sa.Column('failed_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outbox'))
    )
    op.create_index(op.f('ix_outbox_due_at'), 'outbox', ['due_at'])
    op.create_index(op.f('ix_outbox_expires_at'), 'outbox', ['expires_at'])
    op.create_index(op.f('ix_outbox_person_id_kind'), 'outbox', ['person_id', 'kind'])


def downgrade() -> None:
    op.drop_index(op.f('ix_outbox_person_id_kind'), table_name='outbox')
    op.drop_index(op.f('ix_outbox_expires_at'), table_name='outbox')
    op.drop_index(op.f('ix_outbox_due_at'), table_name='outbox')
    op.drop_table('outbox')
    op.drop_index(op.f('ix_backup_codes_credential_id'), table_name='backup_codes')
    op.drop_table('backup_codes')
    op.drop_index(op.f('ix_single_use_person_id_kind'), table_name='single_use')
    op.drop_index(op.f('ix_people_delete_at'), table_name='people')
    for table, column in reversed(_COLUMNS):
        op.drop_column(table, column.name)
