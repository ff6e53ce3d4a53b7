import sys,time,os,tempfile,pathlib
sys.path[:0]=["/work/main","/work/main/plugin"]
import pytest
import numpy as np
def test_speed(fo, operator, tmp_path, part):
    from premask.annotations import Annotation; from premask.masks import Mask
    from premask.labels.fiftyone import detection_from_annotation
    rng=np.random.default_rng(0); yy,xx=np.mgrid[:480,:640]; S=[]
    for i in range(200):
        ds=[]
        for k in range(20):
            cx,cy,a,b=rng.uniform(60,580),rng.uniform(60,420),rng.uniform(15,60),rng.uniform(15,60)
            m=Mask.from_array(((xx-cx)/a)**2+((yy-cy)/b)**2<1)
            ds.append(fo.Detection(**detection_from_annotation(Annotation(label="c",box_xyxy=m.box_xyxy,mask=m),(480,640))))
        S.append(fo.Sample(filepath=f"/nope/{i}.png",metadata=fo.ImageMetadata(width=640,height=480),t=fo.Detections(detections=ds)))
    d=fo.Dataset(); d.add_samples(S,progress=False)
    for st in ({"refine.grow":3},):
        t=time.time(); r=operator("refine_labels")(d,source_field="t",settings=st).result; print("\nREFINE",time.time()-t,r["annotations"],r["seconds"])
    t=time.time(); r=operator("select_labels")(d,source_field="t",settings={"select.top":10},remaining_field="rest").result; print("SELECT",time.time()-t,r["annotations"])
    d.reload(); print(d.count("t_selected.detections"), d.count("rest.detections"))
    sl=part("source_labels"); tr=part("trying"); ps=part("pure_stages")
    src=sl.SourceLabels(samples=d,field="t",needs_pixels=False)
    for rec in (ps.SELECT,ps.REFINE.with_settings({"refine.smooth":3})):
        t=time.time(); x=tr.try_out(src,rec); print("TRIAL",time.time()-t,x)
    d.delete()
