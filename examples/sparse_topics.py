"""Topics of documents with the SageMaker Python SDK v2: sparse counts of words as recordIO-protobuf, for LDA and NTM alike.

Nothing in it is Sagewright's: ``sagewright run -- python examples/sparse_topics.py`` points it at the server.
"""

from __future__ import annotations

import io

import numpy as np
import sagemaker
from sagemaker.amazon.common import write_spmatrix_to_sparse_tensor
from sagemaker.deserializers import JSONDeserializer
from sagemaker.serializers import JSONSerializer
from scipy.sparse import csr_matrix

DOCUMENTS, WORDS, THEMES = 600, 2000, 3
HYPERPARAMETERS = {
    "lda": {"num_topics": THEMES, "feature_dim": WORDS, "mini_batch_size": DOCUMENTS - 100},
    "ntm": {"num_topics": THEMES, "feature_dim": WORDS, "optimizer": "adam", "learning_rate": 0.01, "mini_batch_size": 50},
}

# Each document is about one theme, and takes most of its words from those of the theme: 60 of 2 000.
random = np.random.default_rng(0)
themes = np.arange(DOCUMENTS) % THEMES
counts = np.array([random.multinomial(60, random.dirichlet(0.1 + 10.0 * (np.arange(WORDS) % 5 == theme))) for theme in themes])
train, unseen = csr_matrix(counts[:-100].astype("float32")), csr_matrix(counts[-100:].astype("float32"))

session = sagemaker.Session()
buffer = io.BytesIO()
write_spmatrix_to_sparse_tensor(buffer, train)
bucket, key = session.default_bucket(), "topics/train.pbr"
session.boto_session.client("s3").put_object(Bucket=bucket, Key=key, Body=buffer.getvalue())

for algorithm, hyperparameters in HYPERPARAMETERS.items():
    estimator = sagemaker.estimator.Estimator(
        sagemaker.image_uris.retrieve(algorithm, session.boto_region_name),
        sagemaker.get_execution_role(),
        instance_count=1,
        instance_type="ml.m5.large",
        hyperparameters=hyperparameters,
    )
    estimator.fit(
        {"train": sagemaker.inputs.TrainingInput(f"s3://{bucket}/{key}", content_type="application/x-recordio-protobuf")}
    )
    predictor = estimator.deploy(1, "ml.m5.large", serializer=JSONSerializer(), deserializer=JSONDeserializer())
    features = [{"keys": row.indices.tolist(), "shape": [WORDS], "values": row.data.tolist()} for row in unseen]
    answers = predictor.predict({"instances": [{"data": {"features": item}} for item in features]})["predictions"]
    found = np.array([next(iter(answer.values())) for answer in answers]).argmax(axis=1)
    names = [np.bincount(found[themes[-100:] == theme], minlength=THEMES).argmax() for theme in range(THEMES)]
    print(f"accuracy of {len(found)} unseen documents with {algorithm}: {np.mean(np.array(names)[themes[-100:]] == found):.2f}")
    predictor.delete_model()
    predictor.delete_endpoint()
