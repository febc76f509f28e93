"""Policy sets, their drafts, what was decided and what drafts would have; additions only."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _texts() -> tuple[sa.Column[str], ...]:
    return (
        sa.Column('policies', sa.Text(), nullable=False),
        sa.Column('own_schema', sa.Text(), nullable=False),
        sa.Column('tests', sa.Text(), nullable=False),
    )


def upgrade() -> None:
    op.create_table('policy_drafts',
    sa.Column('name', sa.String(length=64), nullable=False),
    *_texts(),
    sa.Column('based_on', sa.Integer(), nullable=False),
    sa.Column('is_shadow', sa.SmallInteger(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.Column('changed_by', sa.String(length=96), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_policy_drafts'))
    )
    op.create_table('policy_revisions',
    sa.Column('revision', sa.Integer(), autoincrement=False, nullable=False),
    *_texts(),
    sa.Column('digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('same_as', sa.Integer(), nullable=True),
    sa.Column('activated_at', sa.BigInteger(), nullable=False),
    sa.Column('activated_by', sa.String(length=96), nullable=False),
    sa.Column('reason', sa.String(length=256), nullable=False),
    sa.PrimaryKeyConstraint('revision', name=op.f('pk_policy_revisions'))
    )
    op.create_table('policy_decisions',
    sa.Column('id', sa.LargeBinary(length=16), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('action', sa.String(length=128), nullable=False),
    sa.Column('effect', sa.String(length=8), nullable=False),
    sa.Column('policies', sa.Text(), nullable=False),
    sa.Column('stands_for', sa.Integer(), nullable=False),
    sa.Column('source', sa.String(length=64), nullable=False),
    sa.Column('person_id', sa.LargeBinary(length=16), nullable=True),
    sa.Column('sealed', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['person_id'], ['people.id'], name=op.f('fk_policy_decisions_person_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_policy_decisions'))
    )
    op.create_index(op.f('ix_policy_decisions_at_id'), 'policy_decisions', ['at', 'id'])
    op.create_index(op.f('ix_policy_decisions_person_id'), 'policy_decisions', ['person_id'])
    op.create_table('policy_shadow_counts',
    sa.Column('draft', sa.String(length=64), nullable=False),
    sa.Column('hour', sa.BigInteger(), nullable=False),
    sa.Column('action', sa.String(length=128), nullable=False),
    sa.Column('process', sa.LargeBinary(length=16), nullable=False),
    sa.Column('same', sa.BigInteger(), nullable=False),
    sa.Column('now_denied', sa.BigInteger(), nullable=False),
    sa.Column('now_allowed', sa.BigInteger(), nullable=False),
    sa.Column('otherwise', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['draft'], ['policy_drafts.name'], name=op.f('fk_policy_shadow_counts_draft'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('draft', 'hour', 'action', 'process', name=op.f('pk_policy_shadow_counts'))
    )
    op.execute("INSERT INTO revisions (name, number) VALUES ('policy', 1)")


def downgrade() -> None:
    op.execute("DELETE FROM revisions WHERE name = 'policy'")
    for name in ('shadow_counts', 'decisions', 'revisions', 'drafts'):
        op.drop_table(f'policy_{name}')
