"""What CRLN's parts are worth: the method without each, as `crln compare --ablation` trains it."""

ABLATION = {
    "crln": "the whole method",
    "crln[copy_paste=0]": "no view with a labelled box in it, as in the paper",
    "crln[strong_views=0]": "the student sees the weak view in the strong one's place",
    "crln[relation=false]": "no Dynamic Interaction Module, so no rectification at all",
    "crln[rectify_prediction=false]": "f rather than z at prediction",
    "crln[positive_weight=0]": "no Cooperative Positive Supervision",
    "crln[network.prototypes=1]": "one prototype per class",
    "crln[positive_weight=0.5]": "CPS as heavy as the paper's, which it trains with SGD",
    "crln[trusted_only=false,unsupervised_weight=0.5]": "the paper's L_u: over every voxel",
    "crln[unassertiveness=0]": "xi = 0: the positive is the plain mean",
    "crln[training.labelled_start=0]": "unlabelled patches from the first step on, as in the paper",
    "crln[joint_pass=false]": "the paper's two student passes, one a batch",
    "crln[signed=false]": "as released: a clue can only add",
    "crln[prototype_start=0]": "as released: prototypes start alike",
    "crln[project_prototypes=false]": "as released: p_k is the mean of features",
    "crln[teacher.dropout=true,teacher.norm=own]": "as released: the teacher labels in train mode",
}
"""A variant (`crln.comparison.variant`) to what it does; the first is what the others are compared
with."""
