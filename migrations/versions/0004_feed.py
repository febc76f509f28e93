"""The feed as an ordered, chained log, who follows it, and when what was in it was in force; only additions."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('feed_batches',
    sa.Column('epoch', sa.LargeBinary(length=16), nullable=False),
    sa.Column('first', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('last', sa.BigInteger(), nullable=False),
    sa.Column('born_at', sa.BigInteger(), nullable=False),
    sa.Column('numbered_at', sa.BigInteger(), nullable=False),
    sa.Column('followers', sa.Integer(), nullable=True),
    sa.Column('reached', sa.Integer(), nullable=True),
    sa.Column('in_force_ms', sa.Integer(), nullable=True),
    sa.Column('settled_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('epoch', 'first', name=op.f('pk_feed_batches'))
    )
    unsettled = sa.text('settled_at IS NULL')
    op.create_index('ix_feed_batches_unsettled', 'feed_batches', ['numbered_at'], sqlite_where=unsettled, postgresql_where=unsettled)
    op.create_index(op.f('ix_feed_batches_numbered_at'), 'feed_batches', ['numbered_at'])
    op.create_table('feed_followers',
    sa.Column('client_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('connected_at', sa.BigInteger(), nullable=False),
    sa.Column('heard_at', sa.BigInteger(), nullable=False),
    sa.Column('left_at', sa.BigInteger(), nullable=True),
    sa.Column('epoch', sa.LargeBinary(length=16), nullable=True),
    sa.Column('seq', sa.BigInteger(), nullable=True),
    sa.Column('acked_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('client_id', 'name', name=op.f('pk_feed_followers'))
    )
    op.create_index(op.f('ix_feed_followers_heard_at'), 'feed_followers', ['heard_at'])
    op.add_column('feed', sa.Column('facts', sa.Text(), nullable=True))
    op.add_column('feed', sa.Column('line', sa.LargeBinary(), nullable=True))
    op.add_column('feed', sa.Column('chain', sa.LargeBinary(length=32), nullable=True))
    op.create_table('not_before',
    sa.Column('name', sa.String(length=32), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_not_before'))
    )
    # Rows without a line cannot be in a chain: they get new numbers, in an epoch that begins at the next start.
    op.execute("UPDATE feed SET seq = NULL")
    op.execute("DELETE FROM sequences WHERE name = 'feed'")


def downgrade() -> None:
    op.drop_table('not_before')
    op.drop_column('feed', 'chain')
    op.drop_column('feed', 'line')
    op.drop_column('feed', 'facts')
    op.drop_table('feed_followers')
    op.drop_table('feed_batches')
