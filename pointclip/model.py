"""Composition of the pipeline: a shape goes in, class probabilities come out."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointclip import fusion, images, weights
from pointclip.cameras import Views
from pointclip.cameras import views as rig_named
from pointclip.clip import FrozenClip, StillModule
from pointclip.errors import InputError
from pointclip.feature_spec import FeatureSpec
from pointclip.heads import Checkpoint, load_checkpoint
from pointclip.points import PointCloud, as_cloud, check_pose, ups_of
from pointclip.prediction import Prediction as Prediction
from pointclip.prompts import Prompts, clean_labels

DEFAULT_VIEWS = "ring-6"
DEFAULT_STYLE = images.AUTO
DEFAULT_TEMPLATES = "auto"
_USUAL = DEFAULT_VIEWS, DEFAULT_STYLE, "auto"


class PointCLIP(StillModule):
    """Recognise 3D shapes with a frozen 2D vision-language model (PointCLIP, CVPR 2022), see :meth:`from_pretrained`.

    Args:
        clip: The frozen image and text towers.
        views: V cameras, or a rig's name.
        style: A style of :mod:`pointclip.images`, or ``"auto"``: ``color`` for meshes with colours, ``shaded`` for
            other meshes and where normals are known, else ``depth``.
        templates: Name of a template set of :mod:`pointclip.prompts`, a file of templates, templates, descriptions, or
            ``"auto"``: ``meaning``, the label and its definition, for ``embedded``, else ``shape``.
        view_weights: (V,) non-negative; None weighs all views alike.
        adapter: A few-shot head to put behind the towers: it knows its classes and how to fuse the views.
        drop_outliers: Leave the few points far outside of all others (:func:`pointclip.points.far_outliers`) out of
            the pictures; False lets them shrink the shape.
        surface: Draw meshes by their ``"triangles"``, or by samples (``"points"``); ``"auto"`` takes triangles in the
            styles that can, see :func:`pointclip.images.render_shape`.

    Raises:
        InputError: A rig, style or weight is unknown or does not fit, or the adapter belongs to another model.
    """

    view_weights: Tensor

    def __init__(
        self,
        clip: FrozenClip,
        views: str | Views = DEFAULT_VIEWS,
        style: str | images.Style = DEFAULT_STYLE,
        templates: Prompts = DEFAULT_TEMPLATES,
        view_weights: Tensor | None = None,
        adapter: Checkpoint | None = None,
        drop_outliers: bool = True,
        surface: str = "auto",
    ) -> None:
        super().__init__()
        self.clip = clip if adapter is None else clip.giving(adapter.spec.features)
        self.views = rig_named(views).to(clip.device)
        self.style = images.AUTO if style == images.AUTO else images.style(style)
        self.drop_outliers, self.surface = drop_outliers, images.check_surface(surface)
        self.templates = templates if templates != "auto" else "meaning" if clip.name == "embedded" else "shape"
        chosen = fusion.uniform_weights(self.views.num_views) if view_weights is None else view_weights
        self.register_buffer("view_weights", fusion.check_weights(chosen, self.views.num_views).to(clip.device))
        if adapter is not None:
            adapter.spec.refuse_another(self.feature_spec, adapter.path)
        self.again: Callable[..., PointCLIP] | None = None  # loads the same model in another process
        self.few_shot = adapter
        self.head = None if adapter is None else copy.deepcopy(adapter.head).to(clip.device).requires_grad_(False)
        self.eval()

    @classmethod
    def from_pretrained(
        cls,
        name: str = "embedded",
        *,
        views: str | Views | None = None,
        style: str | images.Style | None = None,
        templates: Prompts = DEFAULT_TEMPLATES,
        adapter: str | Path | Checkpoint | None = None,
        device: str = "auto",
        precision: str = "auto",
        drop_outliers: bool = True,
        skip_background: bool = False,
        surface: str | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> "PointCLIP":
        """Load a pretrained model by name.

        Args:
            name: ``"embedded"``, ``"ARCH/TAG"`` of open_clip, ``"hf-hub:ORG/NAME"``, ``"local-dir:PATH"`` or
                ``"ARCH@FILE"``.
            views: A rig's name (see :func:`pointclip.views`) or views; None is the adapter's, else ``"ring-6"``.
            style: A style's name or a style; None is the adapter's, else ``"auto"``.
            templates: ``"auto"``, a set's name, a file, templates with ``{}`` for the class, or descriptions of it.
            adapter: A few-shot checkpoint that :func:`pointclip.fit` made for this model, or its file.
            device: ``"cpu"``, ``"cuda"``, ``"auto"`` (CUDA where there is one).
            precision: ``"fp32"``, ``"bf16"``, ``"fp16"`` or ``"auto"``.
            drop_outliers: False draws even the few points far outside of all others, which shrinks the shape.
            skip_background: Leave out the patches that see only background: faster, and not quite the same features.
            surface: What meshes are drawn from, see :class:`PointCLIP`; None is the adapter's, else ``"auto"``.
            mean: Three numbers in place of the model's own; a file of ``ViT-L-14`` needs these and ``std``.
            std: See ``mean``.

        Returns:
            The model, in evaluation mode, every tower parameter frozen.

        Raises:
            WeightsError: The weights are unknown, unreachable or damaged.
            InputError: A setting is unknown or not the adapter's, or ``skip_background`` is asked of what is no ViT.

        Example:
            >>> model = PointCLIP.from_pretrained("embedded")
            >>> model.views.num_views
            6
        """
        few_shot = adapter if adapter is None or isinstance(adapter, Checkpoint) else load_checkpoint(adapter)
        usual = (few_shot.spec.views, few_shot.spec.drawn, few_shot.spec.surface) if few_shot else _USUAL
        views = rig_named(usual[0] if views is None else views)
        style, surface = usual[1] if style is None else style, usual[2] if surface is None else surface
        style = images.AUTO if style == images.AUTO else images.style(style)
        seen = weights.load(name, mean=mean, std=std)
        clip = FrozenClip(seen, device=device, precision=precision, skip_background=skip_background)
        made = cls(clip, views, style, templates, None, few_shot, drop_outliers, surface)
        treated = {"drop_outliers": drop_outliers, "surface": surface, "skip_background": skip_background}
        again = partial(cls.from_pretrained, name, views=views, style=style, templates=templates, adapter=adapter)
        made.again = partial(again, device=device, precision=precision, mean=mean, std=std, **treated)
        return made

    @property
    def device(self) -> torch.device:
        """Where the towers are."""
        return self.clip.device

    @property
    def feature_spec(self) -> FeatureSpec:
        """What decides the features of a cloud besides the cloud."""
        return FeatureSpec.seen_by(self.clip, self.views, self.style, self.drop_outliers, self.surface)

    def style_for(self, shape: PointCloud | Tensor | None) -> images.Style:
        """Give the style that a shape is drawn in, see :func:`pointclip.images.fitting_style`.

        Args:
            shape: A shape, or the normals of bare points, or None for points without normals.
        """
        return self.style if isinstance(self.style, images.Style) else images.fitting_style(shape, self.surface)

    def render(self, shape: Any, normals: Tensor | None = None, colors: Tensor | None = None) -> Tensor:
        """Draw what the encoder sees, before its mean and standard deviation.

        Args:
            shape: B shapes: a :class:`PointCloud` or a list of them; or bare points (B, N, 3) float. Any unit: each is
                centred and scaled to the unit sphere first, unless the style says otherwise (``pointclip`` takes it as
                it is).
            normals: (B, N, 3) float unit normals of bare points, or None.
            colors: (B, N, 3) float in [0, 1] of bare points, or None; only ``style="color"`` looks at them.

        Returns:
            (B, V, 3, S, S) float32 in [0, 1]; the style ``pointclip`` holds depths.

        Raises:
            InputError: A shape or dtype does not fit, or there is no point.
        """
        views, size = self.views, self.clip.image_size
        if isinstance(shape, Tensor):
            style = self.style_for(normals)
            return images.render_points(shape, style, views, size, normals, colors, self.drop_outliers)
        treated = (views, size, self.surface, self.drop_outliers)
        shapes = [shape] if isinstance(shape, PointCloud) else list(shape)
        return torch.cat([images.render_shape(one, self.style_for(one), *treated) for one in shapes])

    def encode_views(self, shape: Any, normals: Tensor | None = None, colors: Tensor | None = None) -> Tensor:
        """Encode every view of every shape, given as to :meth:`render`.

        Returns:
            (B, V, C) float32, unit length; as the tower gives them where the adapter takes raw ones.

        Raises:
            InputError: As :meth:`render`.

        Note:
            Gradients reach bare points through a differentiable style (``soft``).
        """
        pictures = self.render(shape, normals, colors)
        normalized = self.style_for(normals).clip_normalized
        features = self.clip.encode_images(pictures.flatten(0, 1), normalized=normalized)
        return features.unflatten(0, pictures.shape[:2])

    def encode_labels(self, labels: Sequence[str]) -> Tensor:
        """Encode class names, each in all templates, averaged in embedding space.

        Args:
            labels: K class names.

        Returns:
            (K, C) float32, unit length.

        Raises:
            InputError: A label is empty or there twice.
        """
        return self.clip.encode_labels(labels, self.templates)

    def forward(
        self,
        shape: Any,
        text_features: Tensor | None = None,
        normals: Tensor | None = None,
        colors: Tensor | None = None,
    ) -> Tensor:
        """Compute class logits.

        Args:
            shape: B shapes or bare points, as to :meth:`render`.
            text_features: (K, C) float, from :meth:`encode_labels`; None with an adapter, which has its own.
            normals: (B, N, 3) float or None.
            colors: (B, N, 3) float or None.

        Returns:
            (B, K) float32: ``scale sum_v w_v <f_v, t_k> / sum_v w_v``, or what the adapter makes of the f_v.

        Raises:
            InputError: A shape or dtype does not fit, or text features are missing or not the adapter's.
        """
        return self.logits(self.encode_views(shape, normals, colors), text_features)

    def logits(self, features: Tensor, text: Tensor | None = None) -> Tensor:
        """Compute class logits from view features.

        Args:
            features: (B, V, C) float, from :meth:`encode_views`.
            text: (K, C) float, from :meth:`encode_labels`; None with an adapter, which has its own.

        Returns:
            (B, K) float32, see :meth:`forward`, which raises the same.
        """
        if self.head is not None:
            if self.few_shot is not None and text is not None:
                self.few_shot.check_text(text)
            return self.head(features)
        if text is None:
            raise InputError("without an adapter text_features are needed: pass model.encode_labels([...])")
        return fusion.fuse(self.clip.unit(features), text, self.view_weights, self.clip.logit_scale)

    @torch.no_grad()
    def classify(
        self, cloud: Any, labels: Sequence[str] | None = None, top_k: int | None = None, pose: str = "given"
    ) -> Any:
        """Name a shape, or each of a list of shapes.

        Args:
            cloud: What is held: a point cloud, a path, an (N, 3) array or tensor, a trimesh or Open3D object; or a
                list or tuple of these.
            labels: K class names; None with an adapter, which knows its own.
            top_k: How many of the best labels to give; None gives all K.
            pose: ``"given"`` takes +y as up. ``"search"`` tries all six axes, which takes six times as long, and keeps
                the most confident prediction; its ``up`` says which axis that was.

        Returns:
            A :class:`Prediction`, and a list of them for a list.

        Raises:
            InputError: ``labels``, ``top_k`` or ``pose`` make no sense, or the labels are not the adapter's.
        """
        if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
            raise InputError(f"top_k must be a whole number of at least 1, got {top_k}")
        many = isinstance(cloud, list | tuple)
        check_pose(pose)
        known = () if self.few_shot is None else self.few_shot.labels
        wanted = clean_labels(known if labels is None else labels)
        if self.few_shot is not None and labels is not None:
            self.few_shot.check_labels(wanted)
        classes = tuple(map(str, known if labels is None else labels))
        text = self.encode_labels(classes) if self.head is None else self.head.text
        found = []
        for shape in map(as_cloud, cloud if many else [cloud]):
            features = torch.cat([self.encode_views(shape.turned(up)) for up in ups_of(pose)])
            found.append(replace(self.predict(features, classes, text, top_k, pose), name=shape.name))
        return found if many else found[0]

    def predict(self, seen: Tensor, classes: Sequence[str], text: Tensor, top_k: int | None, pose: str) -> Prediction:
        """Predict from view features (U, V, C), one for each axis that the pose takes as up: the most confident."""
        of_model = {"view_weights": self.view_weights.float().cpu(), "view_names": self.views.names}
        alone = fusion.view_logits(self.clip.unit(seen), text, self.clip.logit_scale)
        rows = zip(ups_of(pose), self.logits(seen, text), alone, strict=True)
        tried = [Prediction.of(row, views, tuple(classes), top_k, up=up, **of_model) for up, row, views in rows]
        return max(tried, key=lambda prediction: prediction.probs[0])

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "PointCLIP":
        super()._apply(fn, recurse)
        self.views = self.views.to(self.device)
        return self
